"""What an Application has done to what its sources render to, whichever renderer that was."""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from gitops.manifests.names import SUBDOMAIN_NAME
from gitops.model.patterns import VALUE


@dataclass(frozen=True, slots=True)
class SubstituteFrom:
    """Variables that a ConfigMap or Secret of the cluster holds, in the Application's namespace: each key is one.

    One that is `optional` may be missing.
    """

    kind: Literal["ConfigMap", "Secret"]
    name: Annotated[str, SUBDOMAIN_NAME]
    optional: bool = False


@dataclass(frozen=True, slots=True)
class PostBuild:
    """Variables such as `${cluster}` in what was rendered: `substitute` is stronger than `substituteFrom`.

    With `strict` one without a value and a default is an error, else it is empty. `WithVariables` leaves all as it is
    where no variable is given at all.
    """

    substitute: dict[str, Annotated[str, VALUE]] = field(default_factory=dict)
    substituteFrom: tuple[SubstituteFrom, ...] = ()
    substituteStrategy: Literal["WithVariables", "Always"] = "WithVariables"
    strict: bool = True

    @property
    def is_used(self) -> bool:
        return bool(self.substitute or self.substituteFrom) or self.substituteStrategy == "Always"


@dataclass(frozen=True, slots=True)
class CommonMetadata:
    """Labels and annotations that every object gets, in place of its own of the same name."""

    labels: dict[str, Annotated[str, VALUE]] = field(default_factory=dict)
    annotations: dict[str, Annotated[str, VALUE]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decryption:
    """How what is encrypted in a source is decrypted: with the keys in a Secret of the Application's namespace.

    Without a `secretRef` the keys are those of the environment, for the operator's own Applications.
    """

    provider: Literal["", "sops"] = ""
    secretRef: Annotated[str, SUBDOMAIN_NAME] = ""

    @property
    def is_wanted(self) -> bool:
        """Whether anything is decrypted: with a `secretRef` alone too, since there is one provider."""
        return bool(self.provider or self.secretRef)
