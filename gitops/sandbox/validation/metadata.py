"""What metadata must look like: names, labels, annotations, finalizers, and what may not change.

The rules and texts are those of k8s.io/apimachinery/pkg/util/validation and pkg/api/validation.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

from gitops.manifests.key import Body
from gitops.sandbox.statuses import FieldError, forbidden_field, invalid, required, shown, too_long

_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_QUALIFIED = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_LABEL_VALUE = "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?"
_DNS_1035 = "[a-z]([-a-z0-9]*[a-z0-9])?"
_CONFIG_KEY = "[-._a-zA-Z0-9]+"

_match_label = re.compile(_LABEL).fullmatch
_match_subdomain = re.compile(_SUBDOMAIN).fullmatch
_match_qualified = re.compile(_QUALIFIED).fullmatch
_match_label_value = re.compile(_LABEL_VALUE).fullmatch
_match_1035 = re.compile(_DNS_1035).fullmatch
_match_config_key = re.compile(_CONFIG_KEY).fullmatch

_ANNOTATIONS_LIMIT = 256 * 1024


def _regex_text(what: str, pattern: str, *examples: str) -> str:
    listed = "".join(f"'{example}',  or " for example in examples[:-1]) + f"'{examples[-1]}'"
    return f"{what} (e.g. {listed}, regex used for validation is '{pattern}')"


_SUBDOMAIN_TEXT = _regex_text(
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character",
    _SUBDOMAIN,
    "example.com",
)
_LABEL_TEXT = _regex_text(
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', "
    "and must start and end with an alphanumeric character",
    _LABEL,
    "my-name",
    "123-abc",
)
_DNS_1035_TEXT = _regex_text(
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', "
    "start with an alphabetic character, and end with an alphanumeric character",
    _DNS_1035,
    "my-name",
    "abc-123",
)
_QUALIFIED_TEXT = _regex_text(
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character",
    _QUALIFIED,
    "MyName",
    "my.name",
    "123-abc",
)
_LABEL_VALUE_TEXT = _regex_text(
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and end with an alphanumeric character",
    _LABEL_VALUE,
    "MyValue",
    "my_value",
    "12345",
)
_CONFIG_KEY_TEXT = _regex_text(
    "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
    _CONFIG_KEY,
    "key.name",
    "KEY_NAME",
    "key-name",
)


def is_subdomain(value: str) -> list[str]:
    """What is wrong with a DNS-1123 subdomain."""
    errors = [] if len(value) <= 253 else ["must be no more than 253 bytes"]
    return errors if _match_subdomain(value) else [*errors, _SUBDOMAIN_TEXT]


def is_label(value: str) -> list[str]:
    """What is wrong with a DNS-1123 label."""
    errors = [] if len(value) <= 63 else ["must be no more than 63 bytes"]
    return errors if _match_label(value) else [*errors, _LABEL_TEXT]


def is_dns_1035(value: str) -> list[str]:
    """What is wrong with the name of a Service."""
    errors = [] if len(value) <= 63 else ["must be no more than 63 bytes"]
    return errors if _match_1035(value) else [*errors, _DNS_1035_TEXT]


def is_path_segment(value: str) -> list[str]:
    """What is wrong with a name that only has to fit in a URL (roles, bindings)."""
    if value in (".", ".."):
        return [f"may not be '{value}'"]
    return [f"may not contain '{character}'" for character in "/%" if character in value]


def is_config_key(value: str) -> list[str]:
    """What is wrong with a key of a ConfigMap or Secret."""
    if len(value) > 253:
        return ["must be no more than 253 bytes"]
    if not _match_config_key(value):
        return [_CONFIG_KEY_TEXT]
    if value in (".", "..") or value.startswith(".."):
        return [f"must not be '{value}'" if value in (".", "..") else "must not start with '..'"]
    return []


def is_qualified_name(value: str) -> list[str]:
    """What is wrong with a label key, annotation key, finalizer or resource name."""
    errors: list[str] = []
    prefix, slash, name = value.rpartition("/")
    if value.count("/") > 1:
        return [
            "a qualified name "
            + _QUALIFIED_TEXT
            + " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        ]
    if slash:
        if not prefix:
            errors.append("prefix part must be non-empty")
        else:
            errors.extend("prefix part " + text for text in is_subdomain(prefix))
    if not name:
        errors.append("name part must be non-empty")
    elif len(name) > 63:
        errors.append("name part must be no more than 63 bytes")
    if not _match_qualified(name):
        errors.append("name part " + _QUALIFIED_TEXT)
    return errors


def is_label_value(value: str) -> list[str]:
    errors = [] if len(value) <= 63 else ["must be no more than 63 bytes"]
    return errors if _match_label_value(value) else [*errors, _LABEL_VALUE_TEXT]


NameRule = Callable[[str], list[str]]

# Kinds whose names follow another rule than a DNS subdomain's.
NAME_RULES: dict[tuple[str, str], NameRule] = {
    ("", "namespaces"): is_label,
    ("", "services"): is_dns_1035,
    ("rbac.authorization.k8s.io", "roles"): is_path_segment,
    ("rbac.authorization.k8s.io", "rolebindings"): is_path_segment,
    ("rbac.authorization.k8s.io", "clusterroles"): is_path_segment,
    ("rbac.authorization.k8s.io", "clusterrolebindings"): is_path_segment,
}


def validate_metadata(metadata: Body, namespaced: bool, name_rule: NameRule = is_subdomain) -> Iterator[FieldError]:
    """What is wrong with the metadata of an object as it stands."""
    name, generate = metadata.get("name", ""), metadata.get("generateName", "")
    if generate:
        yield from (invalid("metadata.generateName", generate, text) for text in name_rule(generate.rstrip("-") or "x"))
    if not name:
        yield required("metadata.name", "name or generateName is required")
    else:
        yield from (invalid("metadata.name", name, text) for text in name_rule(name))
    namespace = metadata.get("namespace", "")
    if namespaced and not namespace:
        yield required("metadata.namespace")
    elif namespaced:
        yield from (invalid("metadata.namespace", namespace, text) for text in is_label(namespace))
    elif namespace:
        yield forbidden_field("metadata.namespace", "not allowed on this type")
    yield from _validate_common(metadata)


def _validate_common(metadata: Body) -> Iterator[FieldError]:
    yield from _marks(metadata)
    finalizers = metadata.get("finalizers") or ()
    for finalizer in finalizers:
        yield from (invalid("metadata.finalizers", finalizer, text) for text in is_qualified_name(finalizer))
    if {"orphan", "foregroundDeletion"} <= set(finalizers):
        text = "finalizer orphan and foregroundDeletion cannot be both set"
        yield invalid("metadata.finalizers", list(finalizers), text)


def _marks(metadata: Body) -> Iterator[FieldError]:
    if labels := metadata.get("labels"):
        yield from validate_labels(labels, "metadata.labels")
    if annotations := metadata.get("annotations"):
        yield from validate_annotations(annotations)
    yield from _owner_errors(metadata.get("ownerReferences") or ())


_STANDARD_FINALIZERS = ("kubernetes", "orphan", "foregroundDeletion")


def builtin_finalizers(metadata: Body) -> Iterator[FieldError]:
    """Finalizers that a built-in kind does not take: they have to be qualified, or standard ones."""
    for index, finalizer in enumerate(metadata.get("finalizers") or ()):
        if "/" not in finalizer and finalizer not in _STANDARD_FINALIZERS:
            text = "name is neither a standard finalizer name nor is it fully qualified"
            yield invalid(f"metadata.finalizers[{index}]", finalizer, text)


def _owner_errors(references: Any) -> Iterator[FieldError]:
    controller = ""
    for reference in references:
        path = "metadata.ownerReferences"
        for name in ("apiVersion", "kind", "name", "uid"):
            if not reference.get(name):
                detail = "version must not be empty" if name == "apiVersion" else "must not be empty"
                yield invalid(f"{path}.{name}", "", detail)
        if reference.get("controller"):
            if controller:
                text = (
                    'Only one reference can have Controller set to true. Found "true" in references for '
                    f"{controller} and {reference.get('kind')}/{reference.get('name')}"
                )
                yield invalid(path, references, text)
            controller = f"{reference.get('kind')}/{reference.get('name')}"


def validate_labels(labels: Body, field: str) -> Iterator[FieldError]:
    """What is wrong with a set of labels."""
    for key in sorted(labels):
        yield from (invalid(field, key, text) for text in is_qualified_name(key))
        yield from (invalid(field, labels[key], text) for text in is_label_value(labels[key]))


def validate_annotations(annotations: Body, field: str = "metadata.annotations") -> Iterator[FieldError]:
    """What is wrong with a set of annotations."""
    for key in sorted(annotations):
        yield from (invalid(field, key, text) for text in is_qualified_name(key.lower()))
    if sum(len(key.encode()) + len(value.encode()) for key, value in annotations.items()) > _ANNOTATIONS_LIMIT:
        yield too_long(field, _ANNOTATIONS_LIMIT)


_FIXED = ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")


def validate_metadata_update(new: Body, old: Body) -> Iterator[FieldError]:
    """What an update may not change in metadata."""
    if old.get("deletionTimestamp"):
        added = [name for name in new.get("finalizers") or () if name not in (old.get("finalizers") or ())]
        if added:
            listed = ", ".join(shown(name) for name in sorted(added))
            yield forbidden_field(
                "metadata.finalizers",
                "no new finalizers can be added if the object is being deleted, "
                f"found new finalizers []string{{{listed}}}",
            )
    for name in _FIXED:
        if new.get(name) != old.get(name):
            yield invalid(f"metadata.{name}", new.get(name), "field is immutable")
    yield from _marks(new)
