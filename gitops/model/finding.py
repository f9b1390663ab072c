"""What a policy says about a manifest."""

from dataclasses import dataclass
from typing import Literal

from gitops.manifests.key import ResourceKey
from gitops.manifests.manifest import Origin

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One breach of one rule: where it is, what is wrong, and how to mend it."""

    rule: str
    severity: Severity
    key: ResourceKey
    origin: Origin
    field: str
    message: str
    fix: str

    def __str__(self) -> str:
        return f"{self.origin}: {self.key}: {self.field}: {self.message} ({self.fix}) [{self.rule}]"
