"""Which rules an object must keep: metadata for all, a table of functions for each kind, schemas for custom kinds."""

from collections.abc import Callable, Iterator

from gitops.manifests.key import Body
from gitops.sandbox.resources import Resource
from gitops.sandbox.statuses import FieldError
from gitops.sandbox.validation import core, definitions, pods, policies, service, services, workloads
from gitops.sandbox.validation.custom import validate_custom
from gitops.sandbox.validation.metadata import (
    NAME_RULES,
    builtin_finalizers,
    is_path_segment,
    is_subdomain,
    validate_metadata,
    validate_metadata_update,
)

Rule = Callable[[Body, Body | None], Iterator[FieldError]]

_RBAC = "rbac.authorization.k8s.io"

RULES: dict[tuple[str, str], Rule] = {
    ("", "configmaps"): core.config_map,
    ("", "secrets"): core.secret,
    ("", "services"): service.service,
    ("", "persistentvolumeclaims"): core.claim,
    ("", "persistentvolumes"): core.volume,
    ("", "resourcequotas"): core.resource_quota,
    ("", "limitranges"): core.limit_range,
    ("", "events"): core.event,
    ("", "pods"): pods.pod,
    ("apps", "deployments"): workloads.deployment,
    ("apps", "replicasets"): workloads.replica_set,
    ("apps", "statefulsets"): workloads.stateful_set,
    ("apps", "daemonsets"): workloads.daemon_set,
    ("batch", "jobs"): workloads.job,
    ("batch", "cronjobs"): workloads.cron_job,
    ("networking.k8s.io", "ingresses"): services.ingress,
    ("networking.k8s.io", "networkpolicies"): services.network_policy,
    ("autoscaling", "horizontalpodautoscalers"): services.autoscaler,
    ("policy", "poddisruptionbudgets"): services.budget,
    (_RBAC, "roles"): services.role,
    (_RBAC, "clusterroles"): services.role,
    (_RBAC, "rolebindings"): services.binding,
    (_RBAC, "clusterrolebindings"): services.binding,
    ("storage.k8s.io", "storageclasses"): services.storage_class,
    ("scheduling.k8s.io", "priorityclasses"): services.priority_class,
    ("coordination.k8s.io", "leases"): services.lease,
    ("discovery.k8s.io", "endpointslices"): services.endpoint_slice,
    ("apiextensions.k8s.io", "customresourcedefinitions"): definitions.definition,
    ("admissionregistration.k8s.io", "validatingadmissionpolicies"): policies.policy,
    ("admissionregistration.k8s.io", "validatingadmissionpolicybindings"): policies.binding,
}


# How the kinds check what they already were checked for: most look at the change of the metadata (after the generic
# code has looked at both), these at the whole of it as well, and those of them in `_TWICE` at everything.
_WHOLE = frozenset(
    (
        *(("", plural) for plural in ("configmaps", "secrets", "services", "serviceaccounts", "namespaces", "pods")),
        *(("", plural) for plural in ("persistentvolumeclaims", "persistentvolumes", "resourcequotas", "limitranges")),
        *(("apps", plural) for plural in ("daemonsets", "replicasets")),
        *((_RBAC, plural) for plural in ("roles", "clusterroles", "rolebindings", "clusterrolebindings")),
        ("batch", "jobs"),
        ("storage.k8s.io", "storageclasses"),
    )
)
_TWICE = frozenset(
    (
        *(("apps", plural) for plural in ("daemonsets", "replicasets")),
        *((_RBAC, plural) for plural in ("roles", "clusterroles", "rolebindings", "clusterrolebindings")),
        ("batch", "jobs"),
        ("", "persistentvolumes"),
    )
)
_BLIND = frozenset({("policy", "poddisruptionbudgets")})


def validate(resource: Resource, body: Body, old: Body | None, subresource: str) -> list[FieldError]:
    """Everything wrong with `body` as a new object (no `old`) or as the next version of `old`."""
    key = (resource.group, resource.plural)
    metadata = body["metadata"]
    if old is None:
        errors = list(validate_metadata(metadata, resource.namespaced, NAME_RULES.get(key, is_subdomain)))
        if resource.custom is None:
            errors.extend(builtin_finalizers(metadata))
    else:
        errors = _metadata_errors(resource, metadata, old["metadata"], key, subresource)
    if resource.custom is not None:
        errors.extend(validate_custom(resource.custom.schema, body, old))
    elif (rule := RULES.get(key)) is not None and not subresource:
        if old is not None and key in _TWICE:
            errors.extend(rule(body, None))
        errors.extend(rule(body, old))
    return errors


def _metadata_errors(
    resource: Resource, new: Body, old: Body, key: tuple[str, str], subresource: str
) -> list[FieldError]:
    """What is wrong with changed metadata, as often as a real server tells it."""
    whole = list(validate_metadata(new, resource.namespaced, is_path_segment))
    changed = list(validate_metadata_update(new, old))
    own = list(builtin_finalizers(new)) if resource.custom is None else []
    errors = [*whole, *changed]
    if key not in _BLIND:
        errors += [*changed, *own]
    if key in _WHOLE and not subresource:
        errors += [*whole, *own] * (2 if key in _TWICE and resource.group == _RBAC else 1)
    return errors
