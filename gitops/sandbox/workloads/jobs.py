"""Jobs: Pods until enough succeeded or too many failed; CronJobs: Jobs on a schedule."""

from datetime import UTC, datetime, timedelta

from gitops.manifests.key import Body
from gitops.sandbox.workloads.making import create_pod
from gitops.sandbox.workloads.schedule import next_time
from gitops.sandbox.workloads.world import (
    CRON_JOBS,
    JOBS,
    PODS,
    World,
    condition,
    is_ended,
    is_going,
    is_ready,
    owner_reference,
    pod_from_template,
)

_COMPONENT = "job-controller"


def reconcile_job(world: World, namespace: str, name: str) -> None:
    """Starts Pods, counts the ended ones, and ends the Job."""
    job = world.get(JOBS, namespace, name)
    if job is None or is_going(job):
        return
    if _is_finished(job):
        _expire(world, job)
        return
    pods = world.owned(job, PODS)
    spec = job["spec"]
    succeeded = sum(_phase(pod) == "Succeeded" for pod in pods)
    failed = sum(_phase(pod) == "Failed" for pod in pods)
    running = [pod for pod in pods if not is_ended(pod) and not is_going(pod)]
    wanted = spec.get("completions")
    if _over_deadline(world, job):
        reason, message = "DeadlineExceeded", "Job was active longer than specified deadline"
        _finish(world, job, pods, "Failed", reason, message)
    elif failed > spec.get("backoffLimit", 6):
        reason, message = "BackoffLimitExceeded", "Job has reached the specified backoff limit"
        _finish(world, job, pods, "Failed", reason, message)
    elif (wanted is not None and succeeded >= wanted) or (wanted is None and succeeded and not running):
        reason, message = "CompletionsReached", "Reached expected number of succeeded pods"
        _finish(world, job, pods, "Complete", reason, message)
    elif spec.get("suspend"):
        for pod in running:
            world.delete(PODS, pod)
        _report(world, job, pods, _suspended(world, job))
    else:
        _start(world, job, pods, running, succeeded)
        _report(world, job, world.owned(job, PODS), [])


def _phase(pod: Body) -> str:
    return str((pod.get("status") or {}).get("phase", ""))


def _is_finished(job: Body) -> bool:
    return any(
        (entry := condition(job, kind)) is not None and entry["status"] == "True" for kind in ("Complete", "Failed")
    )


def _start(world: World, job: Body, pods: list[Body], running: list[Body], succeeded: int) -> None:
    spec = job["spec"]
    parallel = spec.get("parallelism", 1)
    wanted = spec.get("completions")
    room = parallel - len(running)
    if wanted is not None:
        room = min(room, wanted - succeeded - len(running))
    elif succeeded:
        room = 0
    used = {_index(pod) for pod in pods if _phase(pod) == "Succeeded" or pod in running}
    free = (index for index in range(wanted or parallel) if index not in used)
    for _ in range(room):
        if not _create(world, job, next(free, 0)):
            return


def _index(pod: Body) -> int:
    text = (pod["metadata"].get("labels") or {}).get("batch.kubernetes.io/job-completion-index", "-1")
    return int(text)


def _create(world: World, job: Body, index: int) -> bool:
    metadata = job["metadata"]
    body = pod_from_template(job, job["spec"]["template"], metadata["namespace"])
    stem = metadata["name"]
    if job["spec"].get("completionMode") == "Indexed":
        key = "batch.kubernetes.io/job-completion-index"
        stem = f"{stem}-{index}"
        body["metadata"]["labels"] = {**body["metadata"]["labels"], key: str(index)}
        body["metadata"]["annotations"] = {**body["metadata"].get("annotations", {}), key: str(index)}
    body["metadata"]["generateName"] = stem + "-"
    return create_pod(world, reconcile_job, job, body, _COMPONENT)


def _over_deadline(world: World, job: Body) -> bool:
    limit = job["spec"].get("activeDeadlineSeconds")
    if limit is None or not (job.get("status") or {}).get("startTime"):
        return False
    since = world.moments.setdefault(job["metadata"]["uid"], world.clock.time())
    left = since + limit - world.clock.time()
    if left > 0:
        world.again(reconcile_job, job["metadata"]["namespace"], job["metadata"]["name"], left + 0.01)
    return bool(left <= 0)


def _suspended(world: World, job: Body) -> list[Body]:
    present = condition(job, "Suspended")
    if present is not None and present["status"] == "True":
        return [present]
    return [_condition(world, "Suspended", "JobSuspended", "Job suspended")]


def _condition(world: World, kind: str, reason: str, message: str) -> Body:
    now = world.clock.stamp()
    return {
        "type": kind,
        "status": "True",
        "lastProbeTime": now,
        "lastTransitionTime": now,
        "reason": reason,
        "message": message,
    }


def _counts(job: Body, pods: list[Body]) -> Body:
    running = [pod for pod in pods if not is_ended(pod) and not is_going(pod)]
    counts: Body = {
        "active": len(running),
        "succeeded": sum(_phase(pod) == "Succeeded" for pod in pods),
        "failed": sum(_phase(pod) == "Failed" for pod in pods),
    }
    written = {name: count for name, count in counts.items() if count}
    if job["spec"].get("completionMode") == "Indexed":
        done = sorted({_index(pod) for pod in pods if _phase(pod) == "Succeeded"})
        if done:
            written["completedIndexes"] = _intervals(done)
    going = sum(is_going(pod) for pod in pods)
    return {
        **written,
        "terminating": going,
        "uncountedTerminatedPods": {},
        "ready": sum(is_ready(pod) for pod in running),
    }


def _intervals(indexes: list[int]) -> str:
    """Sorted numbers as a Job writes them: "0,2-4,6,7"."""
    runs: list[list[int]] = []
    for index in indexes:
        if runs and runs[-1][-1] == index - 1:
            runs[-1].append(index)
        else:
            runs.append([index])
    texts = (f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(map(str, run)) for run in runs)
    return ",".join(texts)


def _report(world: World, job: Body, pods: list[Body], conditions: list[Body]) -> None:
    status = job.get("status") or {}
    new: Body = {}
    if conditions:
        new["conditions"] = conditions
    if started := status.get("startTime"):
        new["startTime"] = started
    elif not job["spec"].get("suspend"):
        new["startTime"] = world.clock.stamp()
    world.set_status(JOBS, job, {**new, **_counts(job, pods)})


_FIRST = {"Complete": "SuccessCriteriaMet", "Failed": "FailureTarget"}


def _finish(world: World, job: Body, pods: list[Body], kind: str, reason: str, message: str) -> None:
    for pod in pods:
        if not is_ended(pod) and not is_going(pod):
            world.delete(PODS, pod)
    conditions = [_condition(world, name, reason, message) for name in (_FIRST[kind], kind)]
    status: Body = {
        "conditions": conditions,
        "startTime": (job.get("status") or {}).get("startTime", world.clock.stamp()),
    }
    if kind == "Complete":
        status["completionTime"] = world.clock.stamp()
    fresh = world.owned(job, PODS)
    counts = {**_counts(job, fresh), "ready": 0, "terminating": 0}
    counts.pop("active", None)
    stored = world.set_status(JOBS, job, {**status, **counts})
    word = "Completed" if kind == "Complete" else reason
    text = "Job completed" if kind == "Complete" else message
    world.event(job, word, text, _COMPONENT, "Normal" if kind == "Complete" else "Warning")
    world.moments[job["metadata"]["uid"] + " end"] = world.clock.time()
    _expire(world, stored)


def _expire(world: World, job: Body) -> None:
    """Deletes a finished Job once its time to live is over."""
    lifetime = job["spec"].get("ttlSecondsAfterFinished")
    if lifetime is None:
        return
    metadata = job["metadata"]
    ended = world.moments.setdefault(metadata["uid"] + " end", world.clock.time())
    left = ended + lifetime - world.clock.time()
    if left > 0:
        world.again(reconcile_job, metadata["namespace"], metadata["name"], left + 0.01)
    else:
        world.delete(JOBS, job, propagationPolicy="Background")


# --- CronJobs -----------------------------------------------------------------------------------------------------


def reconcile_cron_job(world: World, namespace: str, name: str) -> None:
    """Starts a Job when one is due, and forgets old ones."""
    owner = world.get(CRON_JOBS, namespace, name)
    if owner is None or is_going(owner):
        return
    now = datetime.now(UTC)
    status = owner.get("status") or {}
    since = status.get("lastScheduleTime") or owner["metadata"]["creationTimestamp"]
    due = next_time(owner["spec"]["schedule"], datetime.fromisoformat(since.replace("Z", "+00:00")), _zone(owner))
    jobs = world.owned(owner, JOBS)
    scheduled: datetime | None = None
    if due is not None and due <= now and not owner["spec"].get("suspend"):
        scheduled = due
        _start_job(world, owner, jobs, due)
    _report_cron(world, namespace, name, scheduled)
    _forget(world, owner)
    following = next_time(owner["spec"]["schedule"], now, _zone(owner))
    if following is not None:
        # The schedule is the world's time, so its distance in cluster time is longer by the speed.
        distance = max((following - datetime.now(UTC)) / timedelta(seconds=1), 0.0) * world.clock.speed
        world.again(reconcile_cron_job, namespace, name, distance + 0.01)


def _zone(owner: Body) -> str:
    return str(owner["spec"].get("timeZone") or "UTC")


def _start_job(world: World, owner: Body, jobs: list[Body], due: datetime) -> None:
    running = [job for job in jobs if not _is_finished(job)]
    policy = owner["spec"].get("concurrencyPolicy", "Allow")
    if running and policy == "Forbid":
        return
    if policy == "Replace":
        for job in running:
            world.delete(JOBS, job, propagationPolicy="Background")
    template, metadata = owner["spec"]["jobTemplate"], owner["metadata"]
    stamp = due.strftime("%Y-%m-%dT%H:%M:%SZ")
    annotations = {
        **((template.get("metadata") or {}).get("annotations") or {}),
        "batch.kubernetes.io/cronjob-scheduled-timestamp": stamp,
    }
    body = {
        "metadata": {
            "name": f"{metadata['name']}-{int(due.timestamp()) // 60}",
            "namespace": metadata["namespace"],
            "labels": (template.get("metadata") or {}).get("labels") or {},
            "annotations": annotations,
            "ownerReferences": [owner_reference(owner)],
        },
        "spec": template["spec"],
    }
    if (created := world.create(JOBS, metadata["namespace"], body)) is not None:
        world.event(owner, "SuccessfulCreate", f"Created job {created['metadata']['name']}", "cronjob-controller")


def _report_cron(world: World, namespace: str, name: str, scheduled: datetime | None) -> None:
    owner = world.get(CRON_JOBS, namespace, name)
    if owner is None:
        return
    status = dict(owner.get("status") or {})
    jobs = world.owned(owner, JOBS)
    running = [_reference(job) for job in jobs if not _is_finished(job)]
    status.pop("active", None)
    if running:
        status["active"] = running
    if scheduled is not None:
        status["lastScheduleTime"] = scheduled.strftime("%Y-%m-%dT%H:%M:%SZ")
    done = [job["status"]["completionTime"] for job in jobs if (job.get("status") or {}).get("completionTime")]
    if done:
        status["lastSuccessfulTime"] = max(done)
    world.set_status(CRON_JOBS, owner, status)


def _reference(job: Body) -> Body:
    metadata = job["metadata"]
    kept = {name: metadata[name] for name in ("namespace", "name", "uid", "resourceVersion")}
    return {"kind": "Job", "apiVersion": "batch/v1", **kept}


def _forget(world: World, owner: Body) -> None:
    """Deletes finished Jobs beyond the history limits."""
    limits = {"Complete": "successfulJobsHistoryLimit", "Failed": "failedJobsHistoryLimit"}
    jobs = world.owned(owner, JOBS)
    for kind, field in limits.items():
        ended = [job for job in jobs if (entry := condition(job, kind)) is not None and entry["status"] == "True"]
        limit = owner["spec"].get(field, 3 if kind == "Complete" else 1)
        for job in sorted(ended, key=lambda entry: entry["metadata"]["creationTimestamp"])[
            : max(len(ended) - limit, 0)
        ]:
            world.delete(JOBS, job, propagationPolicy="Background")
