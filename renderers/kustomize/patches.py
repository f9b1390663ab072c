"""patches, patchesStrategicMerge and patchesJson6902: changing resources by parts of them or by operations."""

from collections.abc import Callable, Mapping
from typing import Any

from gitops.manifests.errors import GitopsError
from gitops.model.errors import RenderError
from renderers.kustomize.ids import Selector, selector_of
from renderers.kustomize.json_patch import Operations, apply_operations, parse_operations
from renderers.kustomize.merge import merge
from renderers.kustomize.nodes import Map, map_of, value_of
from renderers.kustomize.read import read_objects
from renderers.kustomize.resource import MAY_CHANGE_KIND, MAY_CHANGE_NAME, NOTES, Resource
from renderers.kustomize.resources import Resources, copy_metadata
from renderers.kustomize.schema import Schemas

Load = Callable[[str], bytes]

_OTHER_NOTES = ("config.kubernetes.io/path", "config.kubernetes.io/index", "config.k8s.io/id")


class Patch:
    """One item of `patches`, read: either objects to merge, or operations."""

    def __init__(self, value: Mapping[str, Any], load: Load, schemas: Schemas, is_old: bool) -> None:
        """Raises RenderError when the item or its file is wrong; `is_old` means Kustomize 5.5."""
        self._schemas = schemas
        self._is_old = is_old
        text, path = value.get("patch", "").strip(), value.get("path", "")
        if bool(text) == bool(path):
            raise RenderError("patches: an item needs either path or patch")
        self._where = path or "an inline patch"
        data = load(path) if path else text.encode()
        self._target = selector_of(value["target"]) if "target" in value else None
        self._objects, self._operations = _parse(data, self._where, is_old)
        options = value.get("options", {})
        if not is_old and (unknown := sorted(options.keys() - _OPTIONS)):
            raise RenderError(f"patches: options.{unknown[0]}: there is no such field")
        for each in self._objects:
            if options.get("allowNameChange"):
                each.enable(MAY_CHANGE_NAME)
            if options.get("allowKindChange"):
                each.enable(MAY_CHANGE_KIND)

    def apply(self, resources: Resources) -> None:
        """Raises RenderError when there is nothing to patch, or the patch does not fit."""
        try:
            if self._objects:
                self._merge(resources)
            elif self._operations or self._is_old:
                self._operate(resources)
        except RenderError as error:
            raise RenderError(f"{self._where}: {error}") from error

    def _merge(self, resources: Resources) -> None:
        if self._target is None:
            for each in self._objects:
                apply_merge(resources.target_of(each.original, self._is_old), each, self._schemas)
            resources.drop_empty()
            return
        if len(self._objects) > 1:
            raise RenderError("a patch with a target may hold one object only")
        merge_into(resources, resources.select(self._target), self._objects[0], self._schemas)

    def _operate(self, resources: Resources) -> None:
        if self._target is None:
            raise RenderError("a JSON patch needs a target")
        for resource in resources.select(self._target):
            resource.store_previous_id()
            operate(resource, self._operations)
        resources.drop_empty()


_OPTIONS = frozenset(("allowNameChange", "allowKindChange"))


def _parse(data: bytes, where: str, is_old: bool) -> tuple[list[Resource], Operations | None]:
    """Objects to merge or, if it is a list, operations; what is both or neither is refused.

    What holds nothing (but comments) is both: Kustomize 5.5 refuses it, 5.8 takes it for a patch of nothing.
    """
    objects: list[Resource] | None = None
    operations: Operations | None = None
    try:
        objects = [Resource(node) for node in read_objects(data)]
    except GitopsError as error:
        problem = error
    try:
        operations = parse_operations(data.decode("utf-8", "replace"), where, is_old)
    except GitopsError:
        if objects is None:
            raise RenderError(f"{where}: neither a part of an object nor a JSON patch: {problem}") from problem
        return objects, None
    if objects is not None and (is_old or (objects and operations)):
        raise RenderError(f"{where}: holds nothing to patch with")
    return objects or [], operations


def merge_into(resources: Resources, selected: list[Resource], patch: Resource, schemas: Schemas) -> None:
    """Merge a patch into every selected resource; what it deletes is gone, and no id may be there twice."""
    wanted = {resource.current.key for resource in selected}
    for resource in resources.items:
        if resource.current.key not in wanted:
            continue
        own = patch.copy()
        copy_metadata(own, patch)
        own.set_gvk(resource.gvk)
        own.set_kind(patch.kind)
        apply_merge(resource, own, schemas)
    remaining = [resource for resource in resources.items if not resource.is_empty]
    resources.items = []
    resources.append_all(remaining)


def apply_merge(resource: Resource, patch: Resource, schemas: Schemas) -> None:
    """Merge a patch into one resource, which keeps its name, namespace and kind unless the patch may change them."""
    name, namespace, kind = resource.name, resource.namespace, resource.kind
    rename, retype = patch.is_enabled(MAY_CHANGE_NAME), patch.is_enabled(MAY_CHANGE_KIND)
    if rename or retype:
        resource.store_previous_id()
    if not merge(resource.node, patch.node, schemas):
        resource.node = Map()
        return
    if resource.is_empty:
        return
    if not retype:
        resource.set_kind(kind)
    if not rename:
        resource.set_name(name)
    resource.set_namespace(namespace)


def operate(resource: Resource, operations: Operations | None) -> None:
    """Apply operations to one resource; notes that they removed come back."""
    notes = {key: value for key, value in resource.annotations.items() if key.startswith(NOTES) or key in _OTHER_NOTES}
    if operations is None:
        raise RenderError("holds nothing to patch with")
    try:
        result = apply_operations(value_of(resource.node), operations)
    except RenderError as error:
        raise RenderError(f"{resource.current}: {error}") from error
    resource.node = map_of(result)
    resource.set_annotations({**resource.annotations, **notes})


def apply_strategic_merges(resources: Resources, paths: list[str], load: Load, schemas: Schemas) -> None:
    """`patchesStrategicMerge`: each item is the patch itself or the path of a file."""
    patches: list[Resource] = []
    for path in paths:
        try:
            nodes = read_objects(path.encode())
        except GitopsError:
            nodes = read_objects(load(path))
        patches.extend(Resource(node) for node in nodes)
    if not patches:
        raise RenderError("patchesStrategicMerge: the patches are empty")
    for patch in patches:
        merge_into(resources, [resources.target_of(patch.original)], patch, schemas)


class JsonPatch:
    """One item of `patchesJson6902`, read."""

    def __init__(self, value: Mapping[str, Any], load: Load, is_old: bool) -> None:
        """Raises RenderError when the item or its file is wrong; `is_old` means Kustomize 5.5."""
        self._target: Selector = selector_of(value.get("target", {}))
        if not self._target.name:
            raise RenderError("patchesJson6902: target.name: expected the name of a resource")
        text, path = value.get("patch", ""), value.get("path", "")
        if bool(text) == bool(path):
            raise RenderError("patchesJson6902: an item needs either path or patch")
        self._where = path or "an inline patch"
        text = load(path).decode("utf-8", "replace") if path else text
        self._operations = parse_operations(text, self._where, is_old)
        if not self._operations:
            raise RenderError(f"{self._where}: the patch is empty")

    def apply(self, resources: Resources) -> None:
        """Raises RenderError when an operation does not apply."""
        for resource in resources.select(self._target):
            try:
                operate(resource, self._operations)
            except RenderError as error:
                raise RenderError(f"{self._where}: {error}") from error
