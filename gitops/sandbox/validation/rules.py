"""Which rules an object must keep: metadata for all, a table of functions for each kind, schemas for custom kinds."""

from collections.abc import Callable, Iterator

from gitops.manifests.key import Body
from gitops.sandbox.resources import Resource
from gitops.sandbox.statuses import FieldError
from gitops.sandbox.validation import core, pods, services, workloads
from gitops.sandbox.validation.custom import validate_custom
from gitops.sandbox.validation.metadata import (
    NAME_RULES,
    is_subdomain,
    validate_metadata,
    validate_metadata_update,
)

Rule = Callable[[Body, Body | None], Iterator[FieldError]]

_RBAC = "rbac.authorization.k8s.io"

RULES: dict[tuple[str, str], Rule] = {
    ("", "configmaps"): core.config_map,
    ("", "secrets"): core.secret,
    ("", "services"): core.service,
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
    ("apiextensions.k8s.io", "customresourcedefinitions"): services.definition,
}


def validate(resource: Resource, body: Body, old: Body | None, subresource: str) -> list[FieldError]:
    """Everything wrong with `body` as a new object (no `old`) or as the next version of `old`."""
    key = (resource.group, resource.plural)
    if old is None:
        errors = list(validate_metadata(body["metadata"], resource.namespaced, NAME_RULES.get(key, is_subdomain)))
    else:
        # Both the generic code and the kind's own check metadata, so a real server tells of it twice.
        errors = list(validate_metadata_update(body["metadata"], old["metadata"])) * 2
    if resource.custom is not None:
        errors.extend(validate_custom(resource.custom.schema, body, old))
    elif (rule := RULES.get(key)) is not None and not subresource:
        errors.extend(rule(body, old))
    return errors
