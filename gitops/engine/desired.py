"""Rendered manifests → RenderedSet: namespaces filled in, kinds known, each object once, sorted, with a digest."""

import hashlib
import json
from collections.abc import Collection, Iterable
from typing import Any

from gitops.engine.annotations import check_words, hook_phases_of, is_skipped, may_lack_kind
from gitops.engine.encrypted import check_encrypted
from gitops.engine.inventory import is_inventory
from gitops.engine.order import kinds_defined_by
from gitops.manifests.errors import ManifestError
from gitops.manifests.key import Body, ResourceKey, version_of
from gitops.manifests.manifest import Manifest
from gitops.manifests.names import bad_segment
from gitops.manifests.nulls import without_nulls
from gitops.manifests.secrets import is_hidden, is_secret, with_data_only
from gitops.model.errors import AwayError, UnknownKindError
from gitops.model.kinds import KindInfo, Kinds
from gitops.model.rendered import RenderedSet
from gitops.model.revision import Revision

# A name has 63 characters where it becomes a label, as that of a Job does.
_SUFFIX = 8
_LONGEST_PREFIX = 63 - _SUFFIX
# About 3 ms for each Secret.
_DERIVATION_ROUNDS = 10_000


def rendered_set(
    revision: Revision,
    manifests: Iterable[Manifest],
    kinds: Kinds,
    namespace: str,
    *,
    apart: Collection[tuple[str, str]] = (),
    is_new: bool = True,
) -> RenderedSet:
    """Make the desired state of what a renderer gave; `namespace` is where objects go that name none.

    Objects of the kinds `apart` (group and kind) are put aside as `children` where the cluster does not serve
    those, nor will.
    What is not `is_new` was released before: it may hold slips of which only new ones are told.

    Raises ManifestError, with file and line, for a kind that the cluster does not serve and no definition in the set
    adds, for two manifests of one identity, for `generateName` on anything but a hook, and for a name or a namespace
    that would lead to another object's path. AwayError where nobody can say whether a kind is served.
    """
    everything, children = _without_children(tuple(manifests), kinds, apart)
    for manifest in everything if is_new else ():
        check_words(manifest)
        _check_inventory(manifest)
        check_encrypted(manifest)
    skipped = [manifest for manifest in everything if is_skipped(manifest)]
    manifests = [_named(manifest) for manifest in everything if not is_skipped(manifest)]
    known = kinds.with_infos(info for manifest in manifests for info in kinds_defined_by(manifest))
    placed: dict[ResourceKey, Manifest] = {}
    for manifest in manifests:
        found = _placed(manifest, known, namespace)
        other = placed.get(found.key)
        if other is not None:
            raise ManifestError(
                f"{found.origin}: {found.key} is defined twice; the other one is at {other.origin} (remove one)"
            )
        placed[found.key] = found
    ordered = tuple(placed[key] for key in sorted(placed))
    left_alone = frozenset(_placed(manifest, known, namespace).key for manifest in skipped)
    digest = digest_of((*(manifest.body for manifest in ordered), *children))
    return RenderedSet(revision, ordered, digest, left_alone, children)


def _without_children(
    everything: tuple[Manifest, ...], kinds: Kinds, apart: Collection[tuple[str, str]]
) -> tuple[tuple[Manifest, ...], tuple[Body, ...]]:
    """The objects of the kinds `apart` that nobody serves, put aside from the others."""
    aside = {kind for kind in apart if kinds.find(*kind) is None}
    if aside:
        aside -= {(info.group, info.kind) for manifest in everything for info in kinds_defined_by(manifest)}
    if not aside:
        return everything, ()
    children = tuple(found.body for found in everything if (found.key.group, found.key.kind) in aside)
    return tuple(found for found in everything if (found.key.group, found.key.kind) not in aside), children


def _check_inventory(manifest: Manifest) -> None:
    """Raise ManifestError for what records what an Application owns: a copy of it from Git would undo that."""
    if is_inventory(manifest.body):
        raise ManifestError(
            f"{manifest.origin}: ConfigMap {manifest.key.name}: is the inventory of an Application, as the cluster "
            "keeps it; remove it from the source"
        )


def digest_of(bodies: Iterable[Body]) -> str:
    """sha256, in hex, over the canonical JSON of each body in order.

    The digest is written where Secrets may not be read (the inventory, the audit log), so a Secret's values enter it
    by a slow derivation: who knows all the rest cannot try passwords fast.
    """
    digest = hashlib.sha256()
    for body in bodies:
        digest.update(_canonical(_guarded(body)))
        digest.update(b"\n")
    return digest.hexdigest()


def _guarded(body: Body) -> Body:
    if not is_hidden(body):
        return body
    fields = ("data", "stringData") if is_secret(body) else sorted(body.keys() - {"apiVersion", "kind", "metadata"})
    values = _canonical([body.get(field) for field in fields])
    identity = _canonical([body["metadata"].get("namespace"), body["metadata"].get("name")])
    derived = hashlib.pbkdf2_hmac("sha256", values, identity, _DERIVATION_ROUNDS).hex()
    return {**{name: value for name, value in body.items() if name not in fields}, "data": derived}


def _canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _named(manifest: Manifest) -> Manifest:
    """A hook that asks for a generated name gets one made of what it says.

    So its name is known, and written down as ours, before it is made: a kill loses none, and the same commit again
    makes no second one.
    """
    prefix = manifest.body["metadata"].get("generateName")
    if manifest.key.name or not prefix or not hook_phases_of(manifest):
        return manifest
    name = f"{prefix[:_LONGEST_PREFIX]}{digest_of([manifest.body])[:_SUFFIX]}"
    metadata = {field: value for field, value in manifest.body["metadata"].items() if field != "generateName"}
    body = {**manifest.body, "metadata": {**metadata, "name": name}}
    return Manifest(manifest.key._replace(name=name), body, manifest.origin)


def _placed(manifest: Manifest, kinds: Kinds, namespace: str) -> Manifest:
    key, body = manifest.key, manifest.body
    info = kinds.find(key.group, key.kind, version_of(body["apiVersion"]))
    if info is None and key.group in kinds.away:
        raise AwayError(f"{manifest.origin}: {key.kind} in {body['apiVersion']}: {kinds.away[key.group]}")
    if info is None and may_lack_kind(body) and not kinds.versions(key.group, key.kind):
        info = _assumed(key, version_of(body["apiVersion"]))
    if info is None:
        raise UnknownKindError(f"{manifest.origin}: {_unknown_kind(manifest, kinds)}")
    if not key.name and not hook_phases_of(manifest):
        raise ManifestError(
            f"{manifest.origin}: metadata.generateName: only hooks may have a generated name; write metadata.name"
        )
    if info.namespaced and not (key.namespace or namespace):
        raise ManifestError(
            f"{manifest.origin}: metadata.namespace: {key.kind} {key.name} needs one; write it, or give --namespace"
        )
    placed = ResourceKey(key.group, key.kind, (key.namespace or namespace) if info.namespaced else "", key.name)
    for field, name in (("name", placed.name), ("namespace", placed.namespace)):
        if name and (reason := bad_segment(name)):
            raise ManifestError(f"{manifest.origin}: metadata.{field}: {name[:100]!r} is no name: it {reason}")
    _check_text(manifest)
    body = with_data_only(without_nulls(body if placed == key else _with_namespace(body, placed)))
    return manifest if body is manifest.body else Manifest(placed, body, manifest.origin)


def _assumed(key: ResourceKey, version: str) -> KindInfo:
    """A kind that is to come, and of which nothing is known: nearly all custom kinds live in a namespace."""
    return KindInfo(key.group, version, key.kind, key.kind.lower(), namespaced=True)


_NO_TEXT = {
    bool: "true or false; put the value in quotes",
    dict: "a map; write `|` after the colon to have it as text",
    list: "a list; write `|` after the colon to have it as text",
    object: "a number; put the value in quotes",
}


def _check_text(manifest: Manifest) -> None:
    """Raise ManifestError for what is no text where only text can be: here the slip has a line, and tells no value."""
    fields = {"ConfigMap": ("data",), "Secret": ("data", "stringData")}
    for field in fields.get(manifest.key.kind, ()) if not manifest.key.group else ():
        values = manifest.body.get(field)
        for name, value in values.items() if isinstance(values, dict) else ():
            if value is not None and not isinstance(value, str):
                found = next(word for kind, word in _NO_TEXT.items() if isinstance(value, kind))
                raise ManifestError(
                    f"{manifest.origin}: {manifest.key.kind} {manifest.key.name}: {field}.{name}: expected text, got "
                    f"{found}"
                )


def _with_namespace(body: Body, key: ResourceKey) -> Body:
    metadata = {name: value for name, value in body["metadata"].items() if name != "namespace"}
    return {**body, "metadata": {**metadata, "namespace": key.namespace} if key.namespace else metadata}


def _unknown_kind(manifest: Manifest, kinds: Kinds) -> str:
    key, version = manifest.key, manifest.body["apiVersion"]
    text = f"kind {key.kind} in {version} is not known to the cluster"
    served = kinds.versions(key.group, key.kind)
    if served:
        return f"{text}; it serves the versions {', '.join(served)}"
    groups = kinds.groups_with(key.kind)
    if groups:
        return f"{text}; there is one in {', '.join(group or 'v1' for group in groups)}"
    return f"{text}; check the spelling, or add its CustomResourceDefinition to the same source"
