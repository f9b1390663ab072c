"""How the objects of an Application are, as the last plan and the events since tell: an event is newer than a plan."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field

from gitops.manifests.key import ResourceKey
from gitops.model.health import Health


@dataclass(slots=True)
class LiveHealth:
    """What was heard of the objects of one Application.

    `owns` is whether anything on its cluster is its own, None as long as that is not known. `failures` is what is wrong
    with the Pods of what is `unhealthy`. `heard` is what events told of since the present pass began, `edited` which of
    those somebody else may have changed; `was_edited` wakes who waits for such.
    """

    owns: bool | None = None
    unhealthy: dict[ResourceKey, Health] = field(default_factory=dict)
    failures: dict[ResourceKey, str] = field(default_factory=dict)
    heard: set[ResourceKey] = field(default_factory=set)
    edited: set[ResourceKey] = field(default_factory=set)
    was_edited: asyncio.Event = field(default_factory=asyncio.Event)

    def begin_pass(self) -> None:
        """What is heard from now on, the pass that begins may not have seen."""
        self.heard.clear()
        self.edited.clear()

    def hear_in_pass(self, key: ResourceKey, *, is_edit: bool) -> None:
        """An event told of an object while a pass is under way; `is_edit` where others may have changed it."""
        self.heard.add(key)
        if is_edit:
            self.edited.add(key)
            self.was_edited.set()

    async def take_edited(self) -> set[ResourceKey]:
        """What others may have changed since this was asked last, once there is any."""
        await self.was_edited.wait()
        self.was_edited.clear()
        found, self.edited = self.edited, set()
        return found

    def learn(self, key: ResourceKey, health: Health | None) -> None:
        """How one object is; None where it is gone, or counts for nothing."""
        if health is None or health.is_settled:
            self.unhealthy.pop(key, None)
        else:
            self.unhealthy[key] = health

    def planned(self, healths: Mapping[ResourceKey, Health], *, owns: bool) -> None:
        """How all of them were when a plan looked at them."""
        self.owns = owns
        found = {key: health for key, health in healths.items() if not health.is_settled and key not in self.heard}
        self.unhealthy = found | {key: self.unhealthy[key] for key in self.heard & self.unhealthy.keys()}

    def inventoried(self, *, is_empty: bool) -> None:
        """An inventory was read, and no plan made: how what it lists is, a plan has told before, or nobody knows."""
        self.owns = False if is_empty else self.owns or None

    def wrote(self) -> None:
        """A sync has applied something; how that is, events tell."""
        self.owns = True

    def synced(self, *, is_healthy: bool) -> None:
        """A sync has applied what is to be, and waited until it was healthy, or not."""
        self.owns = True
        if is_healthy:
            self.unhealthy = {}
