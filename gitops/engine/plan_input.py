"""What a plan is made of, and a person's words for it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gitops.engine.inventory import Inventory
from gitops.manifests.key import Body, ResourceKey
from gitops.model.application import Application
from gitops.model.rendered import RenderedSet

# Why an object is made again that somebody is deleting.
BEING_DELETED = "it is being deleted"


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """A person's words for this one plan; `resources` limits it to keys as "KIND/NAME", and then prunes nothing.

    `only` limits it to these objects (`awaited` must be healthy beside them), and `prune_only` what is deleted.
    `back` is set on the way to an older release: what the live object says about its recreation counts as well.
    `leaving` when the Application is deleted, and that nothing is desired is no mistake. With `confirm` what a guard
    would hold goes on; where `shown` is known, only for the reasons that were shown to the person before.
    """

    prune: bool = False
    adopt: bool = False
    confirm: bool = False
    shown: frozenset[str] | None = None
    force_conflicts: bool = False
    resources: tuple[str, ...] = ()
    only: frozenset[ResourceKey] | None = None
    awaited: frozenset[ResourceKey] = frozenset()
    prune_only: frozenset[ResourceKey] | None = None
    hooks: bool | None = None
    back: bool = False
    leaving: bool = False

    def confirms(self, reason: str) -> bool:
        """Whether a person has confirmed what would be held for this reason."""
        return self.confirm and (self.shown is None or reason in self.shown)


@dataclass(frozen=True, slots=True)
class PlanInput:
    """All that a plan is made of; `live` holds every desired and every owned object that exists."""

    app: Application
    rendered: RenderedSet
    live: Mapping[ResourceKey, Body]
    inventory: Inventory
    options: PlanOptions
    # The Applications that have their inventory in a namespace which may go.
    tenants: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    # group, kind → the versions that the cluster serves; nothing of a kind that is not known.
    served: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    # What another Application owns and does not want any more: it may be taken over.
    let_go: frozenset[ResourceKey] = frozenset()
