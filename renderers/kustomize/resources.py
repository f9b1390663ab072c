"""The resources of a build, in order, each id once: adding, finding, selecting, merging generated ones."""

from collections.abc import Callable, Iterable

from gitops.model.errors import RenderError
from renderers.kustomize.fields import get
from renderers.kustomize.ids import Id, Pattern, Selector
from renderers.kustomize.nodes import Map, string, value_text
from renderers.kustomize.resource import (
    ALL_NOTES,
    BEHAVIOR,
    NEEDS_HASH,
    ORIGIN,
    Resource,
)

Key = tuple[str, str, str, str, str]


class Resources:
    """A mutable list of resources; transformers change the resources in it and, now and then, the list."""

    __slots__ = ("items",)

    def __init__(self, items: Iterable[Resource] = ()) -> None:
        self.items: list[Resource] = list(items)

    def append_all(self, incoming: Iterable[Resource]) -> None:
        """Add resources; raises RenderError when one has the id of another."""
        taken = {resource.current.key for resource in self.items}
        for resource in incoming:
            id = resource.current
            if id.key in taken:
                raise RenderError(f"two resources are called {id} (give one another name or namespace)")
            taken.add(id.key)
            self.items.append(resource)

    def drop_empty(self) -> None:
        """Take out what patches deleted."""
        self.items = [resource for resource in self.items if not resource.is_empty]

    def by_any_id(self, fits: Callable[[Id], bool]) -> list[Resource]:
        """Those with a current or earlier id that fits."""
        return [resource for resource in self.items if any(fits(id) for id in resource.ids)]

    def by_key(self, key: Key) -> list[Resource]:
        """Those that have or had exactly this id."""
        return self.by_any_id(lambda id: id.key == key)

    def target_of(self, id: Id, is_old: bool = True) -> Resource:
        """The one resource that a patch without a target means; raises RenderError.

        In Kustomize 5.5 none can be found once a patch of the same list has deleted one.
        """
        if is_old and any(resource.is_empty for resource in self.items):
            raise RenderError("a patch follows one that deleted a resource (put them into patches of their own)")
        found = [resource for resource in self.by_key(id.key) if not resource.is_empty]
        if len(found) != 1:
            how_many = "no resource is" if not found else f"{len(found)} resources are"
            raise RenderError(f"{how_many} called {id}")
        return found[0]

    def select(self, selector: Selector) -> list[Resource]:
        """Those that a patch's target selects: regular expressions over ids, label and annotation selectors."""
        from renderers.kustomize.label_selectors import parse_selector

        pattern = Pattern(selector)
        labels, annotations = parse_selector(selector.labels), parse_selector(selector.annotations)
        return [
            resource
            for resource in self.items
            if pattern.fits(resource.current, resource.original)
            and (labels is None or labels.fits(resource.labels))
            and (annotations is None or annotations.fits(resource.annotations))
        ]

    def absorb_all(self, incoming: Iterable[Resource]) -> None:
        """Add generated resources; one whose `behavior` says so replaces the one with its id or is merged into it."""
        for resource in incoming:
            self._absorb(resource)

    def _absorb(self, new: Resource) -> None:
        id = new.current
        found = self.by_key(id.key)
        behavior = new.annotations.get(BEHAVIOR, "")
        wants_old = behavior in ("merge", "replace")
        if not found and wants_old:
            raise RenderError(f"{id}: there is nothing to {behavior} it with")
        if not found:
            self.append_all([new])
            return
        if len(found) > 1:
            raise RenderError(f"{id}: {len(found)} resources could be merged with it")
        if not wants_old:
            raise RenderError(f"{id} exists already (behavior: merge or replace)")
        old = found[0]
        origin = old.annotations.get(ORIGIN) if behavior == "merge" else None
        copy_metadata(new, old)
        if behavior == "merge":
            merge_data(new, old)
            if origin is not None:
                new.set_annotations({**new.annotations, ORIGIN: origin})
        if sum(resource.current.key == new.current.key for resource in self.items) != 1:
            raise RenderError(f"{id}: its name was changed; there is nothing to {behavior} it with")
        index = next(number for number, resource in enumerate(self.items) if resource is old)
        if self.items[index].current.key != new.current.key:
            raise RenderError(f"{id}: the resource to {behavior} it with is not in its place")
        self.items[index] = new


def copy_metadata(new: Resource, old: Resource) -> None:
    """Take over labels and annotations (the own ones win), notes (the old ones win), name and namespace."""
    new.set_labels({**old.labels, **new.labels})
    own, notes = new.annotations, old.annotations
    merged = {key: value for key, value in {**notes, **own}.items() if key not in ALL_NOTES}
    merged |= {key: notes[key] for key in ALL_NOTES if key in notes}
    if NEEDS_HASH not in own:
        merged.pop(NEEDS_HASH, None)
    new.set_annotations(merged)
    new.set_name(old.name)
    new.set_namespace(old.namespace)
    new.variables = list(old.variables)


def merge_data(new: Resource, old: Resource) -> None:
    """Merge `data` and `binaryData` of a ConfigMap or Secret, the new entries on top."""
    data = {**_texts(old.node, "data"), **_texts(new.node, "data")}
    binary = {**_texts(old.node, "binaryData"), **_texts(new.node, "binaryData")}
    _set_texts(new.node, "data", data)
    _set_texts(new.node, "binaryData", binary)


def _texts(node: Map, name: str) -> dict[str, str]:
    entries = get(node, name)
    return {key: value_text(value) for key, value in entries.fields.items()} if isinstance(entries, Map) else {}


def _set_texts(node: Map, name: str, entries: dict[str, str]) -> None:
    node.fields.pop(name, None)
    if entries:
        node.fields[name] = Map({key: string(entries[key]) for key in sorted(entries)})
