"""What is wrong with the pods of a workload: which container, why, and whether waiting can still help."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from gitops.manifests.key import Body

# Waiting reasons that nothing but another manifest changes; those that may pass get a grace.
_HOPELESS = {"InvalidImageName", "ErrImageNeverPull"}
_MAY_PASS = {
    "ErrImagePull",
    "ImagePullBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
}
GRACE_SECONDS = 30.0
MOST_RESTARTS = 4
_HASHES = ("pod-template-hash", "controller-revision-hash")


@dataclass(frozen=True, slots=True)
class PodFailure:
    """One container that cannot run (`container` is "" for a pod that cannot be scheduled).

    Where no Pod can be made, `maker` is who tries to, and `pod` is "".
    """

    pod: str
    container: str
    reason: str
    message: str
    restarts: int = 0
    has_run: bool = False
    maker: str = ""

    def __str__(self) -> str:
        if self.maker:
            return f"{self.maker} cannot make its pods: {self.message or self.reason}"
        where = f"pod {self.pod}: container {self.container}" if self.container else f"pod {self.pod}"
        restarted = f" (restarted {self.restarts} times)" if self.restarts else ""
        return f"{where}: {self.reason}: {self.message or 'no message'}{restarted}"

    @property
    def in_a_word(self) -> str:
        """Which container, and the reason in one word: what it says itself may hold a secret."""
        if self.maker:
            return f"{self.maker} cannot make its pods: {self.reason}"
        where = f"pod {self.pod}: container {self.container}" if self.container else f"pod {self.pod}"
        return f"{where}: {self.reason}"

    def is_final(self, seconds: float, kind: str) -> bool:
        """True when it has lasted `seconds` and will not mend itself; how often to try is for a Job to say."""
        if self.reason in _HOPELESS:
            return True
        if self.reason in _MAY_PASS:
            return seconds >= GRACE_SECONDS
        return kind != "Job" and self.reason == "CrashLoopBackOff" and self.restarts >= MOST_RESTARTS


def creation_trouble(owner: Body, maker: Body, events: Iterable[Body]) -> PodFailure | None:
    """Why the API refuses the Pods of `owner`: a quota, Pod Security, a webhook; `maker` is who makes them.

    The condition ReplicaFailure says it (of a Deployment and a ReplicaSet), else the newest event FailedCreate.
    """
    for body in (maker, owner):
        for condition in (body.get("status") or {}).get("conditions") or []:
            if condition.get("type") == "ReplicaFailure" and condition.get("status") == "True":
                return _refused(maker, condition.get("reason"), condition.get("message"))
    failed = [event for event in events if event.get("reason") == "FailedCreate"]
    newest = max(failed, key=event_time, default=None)
    return None if newest is None else _refused(maker, "FailedCreate", newest.get("message"))


def _refused(maker: Body, reason: Any, message: Any) -> PodFailure:
    where = f"{maker['kind']} {maker['metadata']['name']}"
    return PodFailure("", "", str(reason or "FailedCreate"), str(message or ""), maker=where)


def event_time(event: Body) -> str:
    """When an event was seen last, RFC 3339."""
    return str(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp") or "")


def troubles_of(pods: Iterable[Body], generation: str) -> list[PodFailure]:
    """What is wrong with the pods of one `generation` ("" = any); older ones are on their way out and prove nothing."""
    found = (pod_trouble(pod) for pod in pods if generation in ("", _hash_of(pod)) and not _is_going(pod))
    return [trouble for trouble in found if trouble]


def stuck_pods(owner: Body, pods: Iterable[Body]) -> list[Body]:
    """The Pods of a StatefulSet that cannot run and are of an older revision: it waits for them and replaces none.

    Kubernetes calls deleting them the "forced rollback"; [] for other kinds, and until the newest revision is known.
    """
    status, metadata = owner.get("status") or {}, owner["metadata"]
    strategy = (owner.get("spec") or {}).get("updateStrategy") or {}
    is_rolling = strategy.get("type") != "OnDelete" and not (strategy.get("rollingUpdate") or {}).get("partition")
    is_observed = status.get("observedGeneration", 0) >= metadata.get("generation", 0)
    newest = status.get("updateRevision")
    if owner["kind"] != "StatefulSet" or not (is_rolling and is_observed and newest):
        return []
    return [
        pod
        for pod in pods
        if any(one.get("uid") == metadata["uid"] for one in pod["metadata"].get("ownerReferences") or [])
        and _hash_of(pod) not in ("", newest)
        and not _is_going(pod)
        and pod_trouble(pod)
    ]


def generation_of(owner: Body, replica_sets: Iterable[Body]) -> str:
    """The hash that the newest pods of a workload are labelled with; "" where its kind keeps none."""
    if owner["kind"] == "StatefulSet":
        return str((owner.get("status") or {}).get("updateRevision") or "")
    newest = newest_set(replica_sets)
    return "" if newest is None else str((newest["metadata"].get("labels") or {}).get("pod-template-hash") or "")


def newest_set(replica_sets: Iterable[Body]) -> Body | None:
    """The ReplicaSet of a Deployment's newest revision."""
    return max(replica_sets, key=_revision_of, default=None)


def pod_trouble(pod: Body) -> PodFailure | None:
    """The first container that waits for a bad reason or ended with an error; else why it cannot be scheduled."""
    status, name = pod.get("status") or {}, pod["metadata"]["name"]
    for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        found = _container_trouble(name, container)
        if found:
            return found
    for condition in status.get("conditions") or []:
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            return PodFailure(name, "", condition.get("reason") or "Unschedulable", condition.get("message") or "")
    return None


def is_bad_wait(reason: str) -> bool:
    """Whether a container that waits for this reason cannot run, or could not the last time."""
    return reason in _HOPELESS | _MAY_PASS or reason.endswith(("BackOff", "Error"))


def _container_trouble(pod: str, container: dict[str, Any]) -> PodFailure | None:
    state, restarts = container.get("state") or {}, container.get("restartCount") or 0
    waiting, ended = state.get("waiting") or {}, state.get("terminated") or {}
    reason = waiting.get("reason") or ""
    if is_bad_wait(reason):
        return PodFailure(pod, container["name"], reason, waiting.get("message") or "", restarts, has_run=restarts > 0)
    if ended.get("exitCode"):
        message = ended.get("message") or ended.get("reason") or ""
        return PodFailure(
            pod, container["name"], f"exited with code {ended['exitCode']}", message, restarts, has_run=True
        )
    return None


def _revision_of(replica_set: Body) -> int:
    text = (replica_set["metadata"].get("annotations") or {}).get("deployment.kubernetes.io/revision", "0")
    return int(text) if text.isdigit() else 0


def _hash_of(pod: Body) -> str:
    labels = pod["metadata"].get("labels") or {}
    return next((labels[name] for name in _HASHES if name in labels), "")


def _is_going(pod: Body) -> bool:
    return bool(pod["metadata"].get("deletionTimestamp"))
