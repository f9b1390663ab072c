"""How far a plan has been carried out."""

from dataclasses import dataclass, field

from gitops.manifests.key import ResourceKey
from gitops.model.health import Health
from gitops.model.result import Changed, Failure


@dataclass(slots=True)
class Progress:
    """What has been done so far; it is only ever added to."""

    made: tuple[Changed, ...] = ()  # before the plan was begun: the namespace, which no step of the plan makes
    changed: list[Changed] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    healths: dict[ResourceKey, Health] = field(default_factory=dict)
    asked: dict[ResourceKey, str] = field(default_factory=dict)  # writes that are not answered yet, and their verbs
    has_waited: bool = False  # for health, so that others had the time to change what was applied

    @property
    def is_superseded(self) -> bool:
        """Whether a person, or another sync, has said something else about the Application in the meantime."""
        return any(failure.overtaken and failure.key is None for failure in self.failures)

    @property
    def told(self) -> list[str]:
        """What was changed, as audit entries tell it."""
        return [f"{item.verb} {item.key}" for item in self.changed]
