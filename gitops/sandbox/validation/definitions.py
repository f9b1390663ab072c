"""Rules of CustomResourceDefinitions: those of k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation."""

from collections.abc import Iterator
from typing import Any, Final

from gitops.manifests.key import Body
from gitops.sandbox.rule_cost.limits import cost_errors
from gitops.sandbox.statuses import invalid, required
from gitops.sandbox.validation.checks import Errors, immutable, one_of
from gitops.sandbox.validation.metadata import is_dns_1035, is_label, is_subdomain

_RULES: Final = "x-kubernetes-validations"


def definition(body: Body, old: Body | None) -> Errors:
    spec = body["spec"]
    names = spec.get("names") or {}
    wanted = f"{names.get('plural', '')}.{spec.get('group', '')}"
    name = body["metadata"].get("name", "")
    if name != wanted:
        yield invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group')
    if not spec.get("group"):
        yield required("spec.group")
    else:
        yield from (invalid("spec.group", spec["group"], text) for text in is_subdomain(spec["group"]))
        if "." not in spec["group"]:
            yield invalid("spec.group", spec["group"], "should be a domain with at least one dot")
    if not spec.get("scope"):
        yield required("spec.scope")
    yield from one_of(spec.get("scope"), ("Cluster", "Namespaced"), "spec.scope")
    versions = spec.get("versions") or []
    if sum(bool(version.get("storage")) for version in versions) != 1:
        yield invalid("spec.versions", _versions(versions), "must have exactly one version marked as storage version")
    before = {version.get("name"): _schema(version) for version in (old or {}).get("spec", {}).get("versions") or ()}
    for index, version in enumerate(versions):
        unchanged = before.get(version.get("name")) == _schema(version)
        yield from _version(version, f"spec.versions[{index}]", unchanged=unchanged)
    for field in ("plural", "singular", "kind", "listKind"):
        if not names.get(field):
            yield required(f"spec.names.{field}")
        elif field in ("plural", "singular"):
            yield from (invalid(f"spec.names.{field}", names[field], text) for text in is_dns_1035(names[field]))
    if old is not None:
        yield from _stored_versions(body, [version.get("name", "") for version in versions])
    if old is not None and _established(old):
        for field in ("group", "scope"):
            yield from immutable(spec.get(field), old["spec"].get(field), f"spec.{field}")
        for field in ("plural", "kind"):
            yield from immutable(names.get(field), old["spec"]["names"].get(field), f"spec.names.{field}")


def _stored_versions(body: Body, names: list[str]) -> Errors:
    for index, name in enumerate((body.get("status") or {}).get("storedVersions") or ()):
        if name not in names:
            text = (
                f"missing from spec.versions; {name} was previously a storage version, and must remain in "
                f"spec.versions until a storage migration ensures no data remains persisted in {name} and removes "
                f"{name} from status.storedVersions"
            )
            yield invalid(f"status.storedVersions[{index}]", name, text)


def _established(body: Body) -> bool:
    conditions = (body.get("status") or {}).get("conditions") or ()
    return any(entry["type"] == "Established" and entry["status"] == "True" for entry in conditions)


def _versions(versions: list[Body]) -> Any:
    return [{"Name": version.get("name", ""), "Served": version.get("served", False)} for version in versions]


def _schema(version: Body) -> Any:
    return (version.get("schema") or {}).get("openAPIV3Schema")


def _version(version: Body, at: str, *, unchanged: bool) -> Errors:
    name = version.get("name", "")
    yield from (invalid(f"{at}.name", name, text) for text in is_label(name))
    schema = _schema(version)
    if schema is None:
        yield required(f"{at}.schema.openAPIV3Schema", "schemas are required")
        return
    at = f"{at}.schema.openAPIV3Schema"
    if schema.get("type") != "object":
        if not schema.get("type"):
            yield required(f"{at}.type", "must not be empty at the root")
        else:
            yield invalid(f"{at}.type", schema["type"], "must be object at the root")
    wrong = list(_structural(schema, at, root=True))
    yield from wrong
    if schema.get("type") == "object" and not wrong:  # the types of a schema that is wrong are not known
        yield from _compiled(schema, at)
        yield from cost_errors(schema, at, unchanged=unchanged)


def _structural(schema: Body, at: str, *, root: bool = False) -> Errors:
    """What keeps a schema from being structural, the common cases."""
    free = schema.get("x-kubernetes-preserve-unknown-fields") or schema.get("x-kubernetes-int-or-string")
    if not schema.get("type") and not free and not root:
        yield required(f"{at}.type", "must not be empty for specified object fields")
    if schema.get("type") == "array" and not schema.get("items"):
        yield required(f"{at}.items", "must be specified")
    if schema.get("x-kubernetes-list-type") == "map" and not schema.get("x-kubernetes-list-map-keys"):
        yield required(f"{at}.x-kubernetes-list-map-keys", "must not be empty if x-kubernetes-list-type is map")
    for child, where in _parts(schema, at):
        yield from _structural(child, where, root=root and where == f"{at}.properties[metadata]")
    for index, rule in enumerate(schema.get(_RULES) or ()):
        if not rule.get("rule", "").strip():
            yield required(f"{at}.{_RULES}[{index}].rule", "rule is not specified")


def _parts(schema: Body, at: str) -> Iterator[tuple[Body, str]]:
    for name, child in (schema.get("properties") or {}).items():
        yield child, f"{at}.properties[{name}]"
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            yield schema[name], f"{at}.{name}"


def _compiled(schema: Body, at: str) -> Errors:
    """What is wrong with the rules as expressions."""
    from gitops.manifests.cel import CelError, compiled, is_beyond

    for child, where in _parts(schema, at):
        yield from _compiled(child, where)
    for index, rule in enumerate(schema.get(_RULES) or ()):
        try:
            compiled(rule["rule"], ("oldSelf", "self"))
        except CelError as error:
            if not is_beyond(rule["rule"]):
                yield invalid(f"{at}.{_RULES}[{index}].rule", rule["rule"], f"compilation failed: {error}")
