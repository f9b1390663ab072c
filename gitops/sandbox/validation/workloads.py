"""Rules of apps and batch. They are those of k8s.io/kubernetes/pkg/apis/apps and batch/validation."""

from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from gitops.manifests.key import Body
from gitops.manifests.typed import same
from gitops.sandbox.selectors import selects
from gitops.sandbox.statuses import FieldError, forbidden_field, invalid, not_supported, required
from gitops.sandbox.validation import internal
from gitops.sandbox.validation.checks import (
    IMMUTABLE,
    Errors,
    at_most_all,
    immutable,
    int_or_percent,
    is_zero_amount,
    label_selector,
    not_negative,
    one_of,
    selector_and_template,
)
from gitops.sandbox.validation.pods import pod_template
from gitops.sandbox.workloads.schedule import ScheduleError, parse


def _always_restarted(spec: Body, kind: str) -> Errors:
    template = spec["template"]["spec"]
    if template.get("restartPolicy") not in (None, "Always") and template.get("restartPolicy") in (
        "OnFailure",
        "Never",
    ):
        yield not_supported("spec.template.spec.restartPolicy", template["restartPolicy"], ("Always",))
    if template.get("activeDeadlineSeconds") is not None:
        path = "spec.template.spec.activeDeadlineSeconds"
        yield forbidden_field(path, f"activeDeadlineSeconds in {kind} is not Supported")


def deployment(body: Body, old: Body | None) -> Errors:
    spec = body["spec"]
    yield from not_negative(spec, "replicas", at="spec")
    yield from selector_and_template(spec, "deployment")
    yield from pod_template(spec["template"], "spec.template")
    yield from _always_restarted(spec, "ReplicaSet")
    yield from _deployment_strategy(spec["strategy"])
    yield from not_negative(spec, "minReadySeconds", "revisionHistoryLimit", at="spec")
    deadline = spec.get("progressDeadlineSeconds")
    if deadline is not None:
        yield from not_negative(spec, "progressDeadlineSeconds", at="spec")
        if deadline <= spec.get("minReadySeconds", 0):
            yield invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")
    if old is not None:
        yield from immutable(spec.get("selector"), old["spec"].get("selector"), "spec.selector")


def _deployment_strategy(strategy: Body) -> Errors:
    at, rolling = "spec.strategy", strategy.get("rollingUpdate")
    match strategy.get("type"):
        case "Recreate":
            if rolling is not None:
                yield forbidden_field(f"{at}.rollingUpdate", "may not be specified when strategy `type` is 'Recreate'")
        case "RollingUpdate":
            if rolling is None:
                yield required(f"{at}.rollingUpdate", "this should be defaulted and never be nil")
                return
            yield from int_or_percent(rolling.get("maxUnavailable"), f"{at}.rollingUpdate.maxUnavailable")
            yield from int_or_percent(rolling.get("maxSurge"), f"{at}.rollingUpdate.maxSurge")
            if is_zero_amount(rolling.get("maxUnavailable")) and is_zero_amount(rolling.get("maxSurge")):
                value = rolling.get("maxUnavailable")
                yield invalid(f"{at}.rollingUpdate.maxUnavailable", value, "may not be 0 when `maxSurge` is 0")
            yield from at_most_all(rolling.get("maxUnavailable"), f"{at}.rollingUpdate.maxUnavailable")
        case other:
            yield not_supported(f"{at}.type", other, ("Recreate", "RollingUpdate"))


def replica_set(body: Body, old: Body | None) -> Errors:
    spec = body["spec"]
    yield from not_negative(spec, "replicas", "minReadySeconds", at="spec")
    yield from selector_and_template(spec, "replicaset")
    yield from pod_template(spec["template"], "spec.template")
    yield from _always_restarted(spec, "ReplicaSet")
    if old is not None:
        yield from immutable(spec.get("selector"), old["spec"].get("selector"), "spec.selector")


_STATEFUL_FREE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)


def stateful_set(body: Body, old: Body | None) -> Errors:
    spec = body["spec"]
    if old is not None:
        fixed = [
            {name: value for name, value in each["spec"].items() if name not in _STATEFUL_FREE} for each in (body, old)
        ]
        if not same(*fixed):
            free = ", ".join(f"'{name}'" for name in _STATEFUL_FREE[:-1])
            detail = (
                f"updates to statefulset spec for fields other than {free} and '{_STATEFUL_FREE[-1]}' are forbidden"
            )
            yield forbidden_field("spec", detail)
    policies = ("OrderedReady", "Parallel")
    yield from one_of(spec.get("podManagementPolicy"), policies, "spec.podManagementPolicy")
    strategy = spec["updateStrategy"]
    yield from one_of(strategy.get("type"), ("RollingUpdate", "OnDelete"), "spec.updateStrategy.type")
    if strategy.get("type") == "OnDelete" and strategy.get("rollingUpdate") is not None:
        path = "spec.updateStrategy.rollingUpdate"
        yield invalid(path, strategy["rollingUpdate"], "only allowed for updateStrategy 'RollingUpdate'")
    yield from not_negative(strategy.get("rollingUpdate") or {}, "partition", at="spec.updateStrategy.rollingUpdate")
    yield from not_negative(spec, "replicas", "minReadySeconds", at="spec")
    yield from selector_and_template(spec, "statefulset")
    yield from pod_template(_with_claims(spec), "spec.template")
    yield from _always_restarted(spec, "StatefulSet")


def _with_claims(spec: Body) -> Body:
    """The template with the volumes that its claims will be."""
    claims = [
        {"name": claim["metadata"].get("name", ""), "persistentVolumeClaim": {"claimName": "claim"}}
        for claim in spec.get("volumeClaimTemplates") or ()
    ]
    if not claims:
        template: Body = spec["template"]
        return template
    pod = spec["template"]["spec"]
    named = {claim["name"] for claim in claims}
    kept = [volume for volume in pod.get("volumes") or () if volume.get("name") not in named]
    return {**spec["template"], "spec": {**pod, "volumes": [*kept, *claims]}}


def daemon_set(body: Body, old: Body | None) -> Errors:
    spec = body["spec"]
    yield from selector_and_template(spec, "daemonset")
    yield from pod_template(spec["template"], "spec.template")
    yield from _always_restarted(spec, "DaemonSet")
    yield from not_negative(spec, "minReadySeconds", at="spec")
    strategy = spec["updateStrategy"]
    yield from one_of(strategy.get("type"), ("RollingUpdate", "OnDelete"), "spec.updateStrategy.type")
    rolling = strategy.get("rollingUpdate") or {}
    at = "spec.updateStrategy.rollingUpdate"
    if strategy.get("type") == "RollingUpdate":
        for name in ("maxUnavailable", "maxSurge"):
            yield from int_or_percent(rolling.get(name), f"{at}.{name}")
            yield from at_most_all(rolling.get(name), f"{at}.{name}")
        unavailable, surge = (not is_zero_amount(rolling.get(name)) for name in ("maxUnavailable", "maxSurge"))
        if unavailable and surge:
            yield invalid(f"{at}.maxSurge", rolling["maxSurge"], "may not be set when maxUnavailable is non-zero")
        elif not unavailable and not surge:
            yield required(f"{at}.maxUnavailable", "cannot be 0 when maxSurge is 0")
    yield from not_negative(spec, "revisionHistoryLimit", at="spec")
    if old is not None:
        yield from immutable(spec.get("selector"), old["spec"].get("selector"), "spec.selector")


# --- batch --------------------------------------------------------------------------------------------------------

_JOB_NUMBERS = ("parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished")


def job(body: Body, old: Body | None) -> Errors:
    spec = body["spec"]
    yield from _job_spec(spec, "spec", needs_selector=True)
    if old is None:
        return
    before = old["spec"]
    if not _is_elastic(spec, before):
        yield from immutable(spec.get("completions"), before.get("completions"), "spec.completions")
    yield from immutable(spec.get("selector"), before.get("selector"), "spec.selector")
    if not same(spec["template"], before["template"]):
        yield _immutable_template(spec["template"])
    for name in ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy"):
        yield from immutable(spec.get(name), before.get(name), f"spec.{name}")


def _is_elastic(spec: Body, before: Body) -> bool:
    """An Indexed Job may change how much it completes together with how much it does at once."""
    same_mode = spec.get("completionMode") == before.get("completionMode") == "Indexed"
    return same_mode and spec.get("completions") is not None and spec.get("completions") == spec.get("parallelism")


def _immutable_template(template: Body) -> FieldError:
    return invalid("spec.template", internal.template(template), IMMUTABLE)


def _job_spec(spec: Body, at: str, *, needs_selector: bool) -> Errors:
    if needs_selector and spec.get("selector") is None:
        yield required(f"{at}.selector")
    elif spec.get("selector") is not None:
        yield from label_selector(spec["selector"], f"{at}.selector")
        labels = spec["template"]["metadata"].get("labels")
        if needs_selector and not selects(spec["selector"], labels or {}):
            yield invalid(f"{at}.template.metadata.labels", labels, "`selector` does not match template `labels`")
    yield from not_negative(spec, *_JOB_NUMBERS, at=at)
    yield from _index_limits(spec, at)
    yield from one_of(spec.get("completionMode"), ("Indexed", "NonIndexed"), f"{at}.completionMode")
    if spec.get("completionMode") == "Indexed" and spec.get("completions") is None:
        yield required(f"{at}.completions", "when completion mode is Indexed")
    yield from pod_template(spec["template"], f"{at}.template")
    policy = spec["template"]["spec"].get("restartPolicy")
    if policy == "Always":
        yield required(f"{at}.template.spec.restartPolicy", 'valid values: "OnFailure", "Never"')
    elif policy not in ("OnFailure", "Never"):
        yield not_supported(f"{at}.template.spec.restartPolicy", policy, ("OnFailure", "Never"))


_MOST_INDEXES = 100_000


def _index_limits(spec: Body, at: str) -> Errors:
    """What only an Indexed Job takes, and how large it may be."""
    indexed, parallel = spec.get("completionMode") == "Indexed", spec.get("parallelism") or 0
    for name in ("backoffLimitPerIndex", "maxFailedIndexes"):
        value = spec.get(name)
        if value is not None and not indexed:
            yield invalid(f"{at}.{name}", value, "requires indexed completion mode")
    if spec.get("maxFailedIndexes") is not None and spec.get("backoffLimitPerIndex") is None:
        yield required(f"{at}.backoffLimitPerIndex", "when maxFailedIndexes is specified")
    if indexed and parallel > _MOST_INDEXES:
        text = f"must be less than or equal to {_MOST_INDEXES} when completion mode is Indexed"
        yield invalid(f"{at}.parallelism", parallel, text)
    replacement = spec.get("podReplacementPolicy")
    yield from one_of(replacement, ("Failed", "TerminatingOrFailed"), f"{at}.podReplacementPolicy")


def cron_job(body: Body, _old: Body | None) -> Errors:
    spec, name = body["spec"], body["metadata"].get("name", "")
    if len(name) > 52:
        yield invalid("metadata.name", name, "must be no more than 52 characters")
    yield from _schedule(spec)
    yield from not_negative(spec, "startingDeadlineSeconds", at="spec")
    policies = ("Allow", "Forbid", "Replace")
    if not spec.get("concurrencyPolicy"):
        yield required("spec.concurrencyPolicy")
    yield from one_of(spec.get("concurrencyPolicy"), policies, "spec.concurrencyPolicy")
    yield from _job_spec(spec["jobTemplate"]["spec"], "spec.jobTemplate.spec", needs_selector=False)
    yield from not_negative(spec, "successfulJobsHistoryLimit", "failedJobsHistoryLimit", at="spec")


def _schedule(spec: Body) -> Errors:
    text: Any = spec.get("schedule", "")
    if not text:
        yield required("spec.schedule")
    else:
        try:
            parse(text)
        except ScheduleError as error:
            yield invalid("spec.schedule", text, str(error))
        if "TZ" in text:
            yield invalid("spec.schedule", text, "cannot use TZ or CRON_TZ in schedule, use timeZone field instead")
    if zone := spec.get("timeZone"):
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError):
            yield invalid("spec.timeZone", zone, f"unknown time zone {zone}")
