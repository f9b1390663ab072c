"""Which rules an object must keep: metadata for all, a table of functions for each kind, schemas for custom kinds."""

from collections.abc import Callable, Iterator

from gitops.manifests.key import Body
from gitops.sandbox.cluster import Cluster
from gitops.sandbox.resources import Resource
from gitops.sandbox.statuses import FieldError
from gitops.sandbox.validation.metadata import (
    NAME_RULES,
    is_subdomain,
    validate_metadata,
    validate_metadata_update,
)

Rule = Callable[[Body, Body | None], Iterator[FieldError]]

RULES: dict[tuple[str, str], Rule] = {}


def validate(_cluster: Cluster, resource: Resource, body: Body, old: Body | None, subresource: str) -> list[FieldError]:
    """Everything wrong with `body` as a new object (no `old`) or as the next version of `old`."""
    key = (resource.group, resource.plural)
    if old is None:
        errors = list(validate_metadata(body["metadata"], resource.namespaced, NAME_RULES.get(key, is_subdomain)))
    else:
        # Both the generic code and the kind's own check metadata, so a real server tells of it twice.
        errors = list(validate_metadata_update(body["metadata"], old["metadata"])) * 2
    if (rule := RULES.get(key)) is not None and not subresource:
        errors.extend(rule(body, old))
    return errors
