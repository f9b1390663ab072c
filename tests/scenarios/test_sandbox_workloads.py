"""Simulated workloads beyond the recorded ones: claims, order, budgets of time, autoscaling, addresses, collection."""

import contextlib

import pytest

from tests.scenarios.api import MERGE, Api, config_map, deployment

APPS, CORE, BATCH = "/apis/apps/v1/namespaces/{}", "/api/v1/namespaces/{}", "/apis/batch/v1/namespaces/{}"


@pytest.fixture
def api(sandbox):
    return Api(sandbox)


@pytest.fixture
def place(api, request):
    return api.namespace(request.node.name.removeprefix("test_").replace("_", "-").split("[")[0][:60].strip("-"))


def template(image="busybox", **spec):
    return {"metadata": {"labels": {"app": "x"}}, "spec": {"containers": [{"name": "c", "image": image}], **spec}}


def has(**wanted):
    return lambda _, body: all((body.get("status") or {}).get(name) == value for name, value in wanted.items())


def condition(kind, truth="True"):
    return lambda _, body: any(
        entry["type"] == kind and entry["status"] == truth
        for entry in (body.get("status") or {}).get("conditions") or ()
    )


def pods(api, place):
    items = api.get(CORE.format(place) + "/pods")[1]["items"]
    return {item["metadata"]["name"]: item for item in items if not item["metadata"].get("deletionTimestamp")}


def test_a_stateful_set_makes_a_claim_for_each_pod_and_keeps_it(api, place):
    claim = {
        "metadata": {"name": "data"},
        "spec": {
            "accessModes": ["ReadWriteOnce"],
            "resources": {"requests": {"storage": "1Gi"}},
            "storageClassName": "standard",
        },
    }
    spec = {
        "serviceName": "x",
        "replicas": 2,
        "selector": {"matchLabels": {"app": "x"}},
        "template": template(),
        "volumeClaimTemplates": [claim],
    }
    path = APPS.format(place) + "/statefulsets/s"
    api.apply(path, {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "s"}, "spec": spec})
    api.until(path, has(readyReplicas=2))
    claims = CORE.format(place) + "/persistentvolumeclaims"
    assert api.get(claims + "/data-s-1")[1]["status"]["phase"] == "Bound"
    api("PATCH", path, {"spec": {"replicas": 1}}, type=MERGE)
    api.until(path, has(replicas=1))
    assert sorted(pods(api, place)) == ["s-0"]
    assert api.get(claims + "/data-s-1")[0] == 200


def test_a_stateful_set_replaces_its_pods_from_the_last_and_respects_the_partition(api, place):
    path = APPS.format(place) + "/statefulsets/s"
    spec = {"serviceName": "x", "replicas": 3, "selector": {"matchLabels": {"app": "x"}}, "template": template()}
    body = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "s"}, "spec": spec}
    api.apply(path, body)
    api.until(path, has(readyReplicas=3))
    update = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}
    api.apply(path, {**body, "spec": {**spec, "template": template("busybox:2"), "updateStrategy": update}})
    api.until(path, lambda _, b: b["status"].get("updatedReplicas") == 1 and b["status"].get("readyReplicas") == 3)
    images = {name: pod["spec"]["containers"][0]["image"] for name, pod in pods(api, place).items()}
    assert images == {"s-0": "busybox", "s-1": "busybox", "s-2": "busybox:2"}


def test_a_daemon_set_has_a_pod_on_every_node_that_fits(api, place):
    path = APPS.format(place) + "/daemonsets/d"
    fitting = template(nodeSelector={"kubernetes.io/hostname": "node-1"})
    spec = {"selector": {"matchLabels": {"app": "x"}}, "template": fitting}
    api.apply(path, {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "d"}, "spec": spec})
    api.until(path, has(numberReady=1, desiredNumberScheduled=1))
    assert [pod["spec"]["nodeName"] for pod in pods(api, place).values()] == ["node-1"]


def test_an_indexed_job_completes_each_index(api, place):
    spec = {
        "completions": 3,
        "parallelism": 2,
        "completionMode": "Indexed",
        "template": template(restartPolicy="Never"),
    }
    path = BATCH.format(place) + "/jobs/j"
    api.apply(path, {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": spec})
    done = api.until(path, condition("Complete"))
    assert (done["status"]["succeeded"], done["status"]["completedIndexes"]) == (3, "0-2")


def test_a_job_is_tried_again_until_its_limit_and_then_fails(api, place):
    spec = {"backoffLimit": 1, "template": template("busybox:fail", restartPolicy="Never")}
    path = BATCH.format(place) + "/jobs/j"
    api.apply(path, {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": spec})
    failed = api.until(path, condition("Failed"))
    assert failed["status"]["failed"] == 2


def test_a_finished_job_goes_when_its_time_to_live_is_over(api, place):
    spec = {"ttlSecondsAfterFinished": 1, "template": template(restartPolicy="Never")}
    path = BATCH.format(place) + "/jobs/j"
    api.apply(path, {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": spec})
    api.until(path, lambda status, _: status == 404)
    api.until(CORE.format(place) + "/pods", lambda _, body: not body["items"])


def test_a_suspended_job_runs_when_it_is_resumed(api, place):
    spec = {"suspend": True, "template": template(restartPolicy="Never")}
    path = BATCH.format(place) + "/jobs/j"
    api.apply(path, {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": spec})
    api.until(path, condition("Suspended"))
    api("PATCH", path, {"spec": {"suspend": False}}, type=MERGE)
    api.until(path, condition("Complete"))


def test_an_autoscaler_holds_replicas_within_its_bounds(api, place):
    api.apply(APPS.format(place) + "/deployments/web", deployment("web", replicas=1))
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    spec = {"scaleTargetRef": target, "minReplicas": 2, "maxReplicas": 3}
    body = {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "h"}, "spec": spec}
    api.apply(f"/apis/autoscaling/v2/namespaces/{place}/horizontalpodautoscalers/h", body)
    path = APPS.format(place) + "/deployments/web"
    api.until(path, has(availableReplicas=2))
    api("PATCH", path, {"spec": {"replicas": 9}}, type=MERGE)
    api.until(path, lambda _, found: found["spec"]["replicas"] == 3)


def test_a_service_leads_to_its_ready_pods_and_gets_an_outside_address(api, place):
    api.apply(APPS.format(place) + "/deployments/web", deployment("web", replicas=2))
    spec = {"type": "LoadBalancer", "selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}
    api.apply(
        CORE.format(place) + "/services/web",
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": spec},
    )
    api.until(CORE.format(place) + "/services/web", lambda _, body: bool(body["status"]["loadBalancer"].get("ingress")))

    def two_ready(_, body):
        return any(len(subset.get("addresses", ())) == 2 for subset in body.get("subsets") or ())

    api.until(CORE.format(place) + "/endpoints/web", two_ready)
    api("DELETE", CORE.format(place) + "/services/web")
    api.until(CORE.format(place) + "/endpoints/web", lambda status, _: status == 404)


@contextlib.contextmanager
def api_service(api, place, **service):
    """The path of an APIService for a group of this test's own, served by this Service (none: by the API itself)."""
    spec = {"group": f"{place}.example.com", "version": "v1", "groupPriorityMinimum": 1000, "versionPriority": 10}
    spec |= {"insecureSkipTLSVerify": True, "service": {"namespace": place, **service}} if service else {}
    path = f"/apis/apiregistration.k8s.io/v1/apiservices/v1.{place}.example.com"
    body = {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "spec": spec}
    assert api.apply(path, {**body, "metadata": {"name": path.rpartition("/")[2]}})[0] == 201
    yield path
    api("DELETE", path)  # while a group is not served, no namespace of any test goes


def available(status, reason, message):
    def is_told(_, body):
        conditions = (body.get("status") or {}).get("conditions") or [{}]
        return [conditions[0].get(field) for field in ("status", "reason", "message")] == [status, reason, message]

    return is_told


def test_an_api_that_the_cluster_serves_itself_is_available_at_once(api, place):
    with api_service(api, place) as path:
        api.until(path, available("True", "Local", "Local APIServices are always available"))


def test_an_aggregated_api_is_available_while_a_ready_pod_is_behind_its_service(api, place):
    with api_service(api, place, name="web", port=8443) as path:
        told = f'service/web in "{place}"'
        api.until(path, available("False", "ServiceNotFound", f"{told} is not present"))
        services, workloads = CORE.format(place) + "/services", APPS.format(place) + "/deployments/web"
        web = {
            "metadata": {"name": "web"},
            "spec": {"selector": {"app": "web"}, "ports": [{"name": "api", "port": 443}]},
        }
        api.create(services, web)
        api.until(path, available("False", "ServicePortError", f"{told} is not listening on port 8443"))
        ports = {"spec": {"ports": [{"name": "api", "port": 8443}]}}
        api("PATCH", services + "/web", ports, type=MERGE)
        missing = f'endpoints for {told} have no addresses with port name "api"'
        api.until(path, available("False", "MissingEndpoints", missing))
        api.apply(workloads, deployment("web", replicas=1))
        api.until(path, available("True", "Passed", "all checks passed"))
        api.apply(workloads, deployment("web", replicas=0))
        api.until(path, available("False", "MissingEndpoints", missing))


def test_what_an_owner_leaves_behind_is_collected(api, place):
    maps = CORE.format(place) + "/configmaps"
    owner = api.create(maps, config_map("owner"))
    reference = {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": owner["metadata"]["uid"]}
    api.create(maps, config_map("child", ownerReferences=[reference]))
    api("DELETE", maps + "/owner")
    api.until(maps + "/child", lambda status, _: status == 404)


def test_a_child_of_an_owner_that_never_was_is_collected(api, place):
    maps = CORE.format(place) + "/configmaps"
    nobody = {"apiVersion": "v1", "kind": "ConfigMap", "name": "no", "uid": "00000000-0000-0000-0000-000000000000"}
    api.create(maps, config_map("child", ownerReferences=[nobody]))
    api.until(maps + "/child", lambda status, _: status == 404)


def test_an_owner_deleted_in_the_foreground_waits_for_its_children(api, place):
    path = APPS.format(place) + "/deployments/web"
    api.apply(path, deployment("web", replicas=2))
    api.until(path, has(availableReplicas=2))
    _, still = api("DELETE", path, {"propagationPolicy": "Foreground"})
    assert still["metadata"].get("finalizers") == ["foregroundDeletion"]
    api.until(path, lambda status, _: status == 404)
    assert not pods(api, place)


def workload(kind, name, pod):
    """(path below the namespace, body) of a workload that wants Pods of this template."""
    root, version = ("batch", "batch/v1") if kind == "Job" else ("apps", "apps/v1")
    spec = {"template": pod} if kind == "Job" else {"selector": {"matchLabels": {"app": "x"}}, "template": pod}
    body = {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}
    return f"/apis/{root}/v1/namespaces/{{}}/{kind.lower()}s/{name}", body


@pytest.mark.parametrize("kind", ["ReplicaSet", "StatefulSet", "DaemonSet", "Job"])
def test_a_pod_that_is_refused_is_told_in_an_event_and_made_once_it_may_be(api, place, kind):
    name = f"urgent-{kind.lower()}"
    wanted = template(priorityClassName=name, **({"restartPolicy": "Never"} if kind == "Job" else {}))
    path, body = workload(kind, name, wanted)
    assert api.apply(path.format(place), body)[0] == 201

    def is_told(_, events):
        told = [one["message"] for one in events["items"] if one["reason"] == "FailedCreate"]
        return any(f"is forbidden: no PriorityClass with name {name} was found" in text for text in told)

    api.until(CORE.format(place) + "/events", is_told)
    api.create("/apis/scheduling.k8s.io/v1/priorityclasses", {"metadata": {"name": name}, "value": 10})
    api.until(
        CORE.format(place) + "/pods",
        lambda _, body: any(pod["spec"].get("priorityClassName") == name for pod in body["items"]),
    )


def test_a_pod_that_no_node_fits_stays_pending_and_says_why(api, place):
    spec = template(nodeSelector={"disk": "ssd"})["spec"]
    api.create(CORE.format(place) + "/pods", {"metadata": {"name": "p"}, "spec": spec})
    pod = api.until(CORE.format(place) + "/pods/p", lambda _, body: bool(body["status"].get("conditions")))
    assert pod["status"]["conditions"][0]["reason"] == "Unschedulable"


def test_a_namespace_starts_with_an_account_and_the_clusters_certificate(api, place, sandbox):
    api.until(CORE.format(place) + "/serviceaccounts/default", lambda status, _: status == 200)
    found = api.until(CORE.format(place) + "/configmaps/kube-root-ca.crt", lambda status, _: status == 200)
    assert found["data"]["ca.crt"] == sandbox.ca_pem


# --- what does not run --------------------------------------------------------------------------------------------


def test_a_pod_whose_claim_is_not_bound_does_not_run_until_it_is(api, place):
    spec = template()["spec"] | {"volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "data"}}]}
    api.create(CORE.format(place) + "/pods", {"metadata": {"name": "p"}, "spec": spec})
    path = CORE.format(place) + "/pods/p"
    pod = api.until(path, lambda _, body: bool(body["status"].get("conditions")))
    told = pod["status"]["conditions"][0]
    assert (told["reason"], pod["status"]["phase"]) == ("Unschedulable", "Pending")
    assert 'persistentvolumeclaim "data" not found' in told["message"]
    asked = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    claim = {"metadata": {"name": "data"}, "spec": {**asked, "storageClassName": "nowhere"}}
    claims = CORE.format(place) + "/persistentvolumeclaims"
    api.create(claims, claim)
    wanted = "pod has unbound immediate PersistentVolumeClaims"
    api.until(path, lambda _, body: wanted in body["status"]["conditions"][0].get("message", ""))
    api("DELETE", claims + "/data")
    api.until(claims + "/data", lambda status, _: status == 404)
    api.create(claims, {**claim, "spec": {**asked, "storageClassName": "standard"}})
    api.until(path, lambda _, body: body["status"]["phase"] == "Running")


def test_a_container_whose_image_is_not_pulled_was_never_restarted(api, place):
    spec = template("web:broken")["spec"]
    api.create(CORE.format(place) + "/pods", {"metadata": {"name": "p"}, "spec": spec})
    pod = api.until(CORE.format(place) + "/pods/p", lambda _, body: bool(body["status"].get("containerStatuses")))
    state = pod["status"]["containerStatuses"][0]
    assert (state["restartCount"], state["state"]["waiting"]["reason"]) == (0, "ImagePullBackOff")


def test_an_autoscaler_says_that_nothing_is_measured_and_says_nothing_before(api, place):
    api.apply(APPS.format(place) + "/deployments/web", deployment("web", replicas=1))
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    body = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "h"},
        "spec": {"scaleTargetRef": target, "maxReplicas": 3},
    }
    path = f"/apis/autoscaling/v2/namespaces/{place}/horizontalpodautoscalers/h"
    assert "conditions" not in (api.apply(path, body)[1].get("status") or {})
    found = api.until(path, lambda _, body: bool((body.get("status") or {}).get("conditions")))
    active = next(entry for entry in found["status"]["conditions"] if entry["type"] == "ScalingActive")
    assert (active["status"], active["reason"]) == ("False", "FailedGetResourceMetric")
    assert "the server could not find the requested resource (get pods.metrics.k8s.io)" in active["message"]


def test_a_namespace_stays_while_an_aggregated_api_is_not_there(fresh_sandbox):
    api = Api(fresh_sandbox(speed=20.0))
    api.namespace("going")
    service = {"namespace": "default", "name": "nowhere", "port": 443}
    spec = {"group": "down.example.com", "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 100}
    path = "/apis/apiregistration.k8s.io/v1/apiservices"
    body = {"metadata": {"name": "v1.down.example.com"}, "spec": {**spec, "service": service}}
    api.create(path, body)
    api.until(path + "/v1.down.example.com", condition("Available", "False"))
    api("DELETE", "/api/v1/namespaces/going")
    found = api.until("/api/v1/namespaces/going", condition("NamespaceDeletionDiscoveryFailure"))
    told = {entry["type"]: entry for entry in found["status"]["conditions"]}
    assert told["NamespaceDeletionDiscoveryFailure"]["message"] == (
        "Discovery failed for some groups, 1 failing: unable to retrieve the complete list of server APIs: "
        "down.example.com/v1: stale GroupVersion discovery: down.example.com/v1"
    )
    assert told["NamespaceContentRemaining"]["reason"] == "ContentRemoved"
    api("DELETE", path + "/v1.down.example.com")
    api.until("/api/v1/namespaces/going", lambda status, _: status == 404)
