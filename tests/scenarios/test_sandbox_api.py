"""The embedded cluster's API beyond the recorded exchanges: access, paging, watches, faults, restarts."""

import json
import socket
import struct
import threading
import time

import pytest

from gitops.sandbox.cluster import User
from gitops.sandbox.server import SandboxError, SandboxThread
from tests.scenarios.api import APPLY, MERGE, Api, config_map, deployment

MAPS = "/api/v1/namespaces/{}/configmaps"
RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces/{}"


@pytest.fixture
def api(sandbox):
    return Api(sandbox)


@pytest.fixture
def bare(fresh_sandbox):
    return Api(fresh_sandbox(controllers="none"))


# --- access -------------------------------------------------------------------------------------------------------


def test_a_role_gives_a_user_just_its_rights(fresh_sandbox):
    tokens = {"root": User("root", ("system:masters",)), "dev": User("ada", ("developers",))}
    cluster = fresh_sandbox(controllers="none", tokens=tokens)
    root, dev = Api(cluster, "root"), Api(cluster, "dev")
    root.namespace("rights")
    assert dev.get(MAPS.format("rights"))[0] == 403
    rules = [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list", "create"]}]
    root.create(RBAC.format("rights") + "/roles", {"metadata": {"name": "r"}, "rules": rules})
    binding = {
        "metadata": {"name": "b"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "r"},
        "subjects": [{"kind": "Group", "name": "developers"}],
    }
    root.create(RBAC.format("rights") + "/rolebindings", binding)
    assert dev.get(MAPS.format("rights"))[0] == 200
    assert dev("POST", MAPS.format("rights"), config_map("a"))[0] == 201
    status, body = dev("DELETE", MAPS.format("rights") + "/a")
    assert status == 403
    assert 'User "ada" cannot delete resource "configmaps"' in body["message"]


def test_an_administrator_may_act_as_a_service_account(api):
    name = api.namespace("impersonation")
    headers = {"Impersonate-User": f"system:serviceaccount:{name}:deployer"}
    assert api.get(MAPS.format(name), headers=headers)[0] == 403
    binding = {
        "metadata": {"name": "b"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "edit"},
        "subjects": [{"kind": "ServiceAccount", "name": "deployer", "namespace": name}],
    }
    api.create(RBAC.format(name) + "/rolebindings", binding)
    assert api.get(MAPS.format(name), headers=headers)[0] == 200
    assert api.get("/api/v1/nodes", headers=headers)[0] == 403


def test_a_service_accounts_token_is_a_key_to_the_api(api, sandbox):
    name = api.namespace("tokens")
    api.create(f"/api/v1/namespaces/{name}/serviceaccounts", {"metadata": {"name": "robot"}})
    issued = api.create(f"/api/v1/namespaces/{name}/serviceaccounts/robot/token", {"spec": {}})
    status, body = Api(sandbox, issued["status"]["token"]).get(MAPS.format(name))
    assert status == 403
    assert f"system:serviceaccount:{name}:robot" in body["message"]


def review(api, token, *audiences):
    spec = {"token": token, **({"audiences": list(audiences)} if audiences else {})}
    made = api.create("/apis/authentication.k8s.io/v1/tokenreviews", {"metadata": {}, "spec": spec}, dryRun="All")
    return made["status"]


def test_a_token_review_says_whose_a_token_is_and_for_whom(api, sandbox):
    name = api.namespace("reviews")
    path = f"/api/v1/namespaces/{name}/serviceaccounts"
    api.create(path, {"metadata": {"name": "robot"}})
    issued = api.create(f"{path}/robot/token", {"spec": {"audiences": ["gitops", "other"]}})
    token = issued["status"]["token"]
    found = review(api, token, "gitops", "third")
    assert (found["authenticated"], found["audiences"]) == (True, ["gitops"])
    assert found["user"]["username"] == f"system:serviceaccount:{name}:robot"
    assert f"system:serviceaccounts:{name}" in found["user"]["groups"]
    # It is for whom it names: not for the API server, which no audience means.
    assert "authenticated" not in review(api, token)
    assert Api(sandbox, token).get(MAPS.format(name))[0] == 401
    plain = api.create(f"{path}/robot/token", {"spec": {}})["status"]["token"]
    assert review(api, plain)["authenticated"]
    assert "authenticated" not in review(api, plain, "gitops")
    assert review(api, sandbox.token)["user"]["username"] == "admin"
    assert "authenticated" not in review(api, "nobody's")
    api("DELETE", f"{path}/robot")
    assert "authenticated" not in review(api, token, "gitops")


# --- lists and watches --------------------------------------------------------------------------------------------


def test_pages_together_are_the_whole_list(bare):
    bare.namespace("pages")
    for number in range(7):
        bare.create(MAPS.format("pages"), config_map(f"c{number}"))
    names, token = [], ""
    while True:
        _, page = bare.get(MAPS.format("pages"), limit=3, **({"continue": token} if token else {}))
        names += [item["metadata"]["name"] for item in page["items"]]
        token = page["metadata"].get("continue")
        if not token:
            break
    assert names == [f"c{number}" for number in range(7)]


def test_a_page_after_compaction_is_gone_but_says_how_to_go_on(fresh_sandbox):
    cluster = fresh_sandbox(controllers="none")
    bare = Api(cluster)
    bare.namespace("gone")
    for number in range(4):
        bare.create(MAPS.format("gone"), config_map(f"c{number}"))
    _, page = bare.get(MAPS.format("gone"), limit=2)
    bare.create(MAPS.format("gone"), config_map("later"))
    cluster.compact()
    status, body = bare.get(MAPS.format("gone"), limit=2, **{"continue": page["metadata"]["continue"]})
    assert (status, body["reason"]) == (410, "Expired")
    status, rest = bare.get(MAPS.format("gone"), **{"continue": body["metadata"]["continue"]})
    assert [item["metadata"]["name"] for item in rest["items"]] == ["c2", "c3", "later"]


def test_a_watch_from_before_compaction_is_told_to_start_again(fresh_sandbox):
    cluster = fresh_sandbox(controllers="none")
    bare = Api(cluster)
    version = bare.get("/api/v1/configmaps")[1]["metadata"]["resourceVersion"]
    bare.create(MAPS.format("default"), config_map("a"))
    bare.create(MAPS.format("default"), config_map("b"))
    cluster.compact()
    with bare.open("GET", "/api/v1/configmaps", watch=1, resourceVersion=version, timeoutSeconds=1) as response:
        event = json.loads(response.readline())
    assert (event["type"], event["object"]["code"]) == ("ERROR", 410)


def test_a_table_has_the_columns_that_kubectl_shows(api):
    name = api.namespace("tables")
    api.apply(f"/apis/apps/v1/namespaces/{name}/deployments/web", deployment("web", replicas=0))
    accept = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    _, table = api.get(f"/apis/apps/v1/namespaces/{name}/deployments", headers=accept)
    names = [column["name"] for column in table["columnDefinitions"] if not column["priority"]]
    assert names == ["Name", "Ready", "Up-to-date", "Available", "Age"]
    assert table["rows"][0]["cells"][:2] == ["web", "0/0"]
    assert all(column["description"] for column in table["columnDefinitions"])


def test_many_watchers_see_every_event_in_order(api):
    name = api.namespace("watchers")
    version = api.get(MAPS.format(name))[1]["metadata"]["resourceVersion"]
    seen = [[] for _ in range(5)]

    def watch(into):
        with api.open("GET", MAPS.format(name), watch=1, resourceVersion=version, timeoutSeconds=2) as response:
            into.extend(json.loads(line)["object"]["data"]["n"] for line in response)

    watchers = [threading.Thread(target=watch, args=(into,)) for into in seen]
    for watcher in watchers:
        watcher.start()
    for number in range(30):
        api.apply(MAPS.format(name) + "/c", config_map("c", {"n": str(number)}))
    for watcher in watchers:
        watcher.join()
    assert seen == [[str(number) for number in range(30)]] * 5


# --- writing ------------------------------------------------------------------------------------------------------


def test_a_dry_run_answers_as_the_write_would_and_leaves_nothing(api):
    name = api.namespace("dry")
    path = f"/apis/apps/v1/namespaces/{name}/deployments/web"
    status, body = api.apply(path, deployment("web"), dryRun="All")
    assert status == 201
    assert body["spec"]["strategy"]["type"] == "RollingUpdate"
    assert api.get(path)[0] == 404


def test_an_apply_that_names_an_object_which_is_gone_makes_no_other(api):
    path = MAPS.format(api.namespace("gone")) + "/a"
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "uid": "1"}}
    status, answer = api.apply(path, body)
    assert status == 409
    assert "no existing object was found" in answer["message"]
    assert api.get(path)[0] == 404


def test_an_apply_of_a_missing_custom_kind_is_not_found(api):
    body = {"apiVersion": "nope.example.com/v1", "kind": "Nope", "metadata": {"name": "x"}}
    assert api.apply("/apis/nope.example.com/v1/namespaces/default/nopes/x", body)[0] == 404


def test_a_status_is_written_apart_from_its_spec(api):
    name = api.namespace("statuses")
    path = f"/apis/apps/v1/namespaces/{name}/replicasets/web"
    body = {**deployment("web", replicas=0), "kind": "ReplicaSet"}
    api.apply(path, body)
    _, changed = api("PATCH", path + "/status", {"spec": {"replicas": 9}, "status": {"replicas": 4}}, type=MERGE)
    assert changed["spec"]["replicas"] == 0
    assert changed["metadata"]["generation"] == 1


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_an_autoscaler_is_served_in_both_its_versions(api, version):
    name = api.namespace(f"autoscalers-{version}")
    spec = {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "x"}, "maxReplicas": 3}
    body = {
        "apiVersion": f"autoscaling/{version}",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "a"},
        "spec": spec,
    }
    api.apply(f"/apis/autoscaling/{version}/namespaces/{name}/horizontalpodautoscalers/a", body)
    path = f"/apis/autoscaling/%s/namespaces/{name}/horizontalpodautoscalers/a"
    assert api.get(path % "v1")[1]["spec"]["targetCPUUtilizationPercentage"] == 80
    target = api.get(path % "v2")[1]["spec"]["metrics"][0]["resource"]["target"]
    assert target == {"type": "Utilization", "averageUtilization": 80}


def test_a_limit_range_fills_in_and_limits_what_pods_ask_for(api):
    name = api.namespace("limits")
    limits = [{"type": "Container", "default": {"cpu": "500m"}, "max": {"cpu": "1"}}]
    api.create(f"/api/v1/namespaces/{name}/limitranges", {"metadata": {"name": "l"}, "spec": {"limits": limits}})
    container = {"name": "c", "image": "nginx"}
    made = api.create(
        f"/api/v1/namespaces/{name}/pods", {"metadata": {"name": "p"}, "spec": {"containers": [container]}}
    )
    assert made["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "500m"}
    greedy = {**container, "resources": {"limits": {"cpu": "2"}}}
    body = {"metadata": {"name": "q"}, "spec": {"containers": [greedy]}}
    status, refused = api("POST", f"/api/v1/namespaces/{name}/pods", body)
    assert status == 403
    assert "maximum cpu usage per Container is 1, but limit is 2" in refused["message"]


def test_a_budget_keeps_a_pod_from_being_evicted(api):
    name = api.namespace("budgets")
    api.apply(f"/apis/apps/v1/namespaces/{name}/deployments/web", deployment("web", replicas=1))
    ready = lambda _, body: (body.get("status") or {}).get("availableReplicas") == 1  # noqa: E731
    api.until(f"/apis/apps/v1/namespaces/{name}/deployments/web", ready)
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}
    path = f"/apis/policy/v1/namespaces/{name}/poddisruptionbudgets"
    api.create(path, {"metadata": {"name": "b"}, "spec": spec})
    api.until(f"{path}/b", lambda _, body: body["status"].get("currentHealthy") == 1)
    pod = api.get(f"/api/v1/namespaces/{name}/pods")[1]["items"][0]["metadata"]["name"]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod}}
    assert api("POST", f"/api/v1/namespaces/{name}/pods/{pod}/eviction", eviction)[0] == 429


def test_a_claim_of_the_simulated_class_is_bound_and_gives_its_volume_back(api):
    name = api.namespace("claims")
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "1Gi"}},
        "storageClassName": "standard",
    }
    path = f"/api/v1/namespaces/{name}/persistentvolumeclaims"
    api.create(path, {"metadata": {"name": "c"}, "spec": spec})
    bound = api.until(f"{path}/c", lambda _, body: body["status"].get("phase") == "Bound")
    volume = f"/api/v1/persistentvolumes/{bound['spec']['volumeName']}"
    assert api.get(volume)[0] == 200
    api("DELETE", f"{path}/c")
    api.until(volume, lambda status, _: status == 404)


def test_a_custom_kind_may_call_what_kubernetes_adds_to_cel_and_what_is_missing_here_is_left_unevaluated(bare):
    link = {"type": "string", "x-kubernetes-validations": [{"rule": "url(self).getScheme() == 'https'"}]}
    label = {
        "type": "string",
        "x-kubernetes-validations": [{"rule": "!format.dns1123Label().validate(self).hasValue()"}],
    }
    schema = {"type": "object", "properties": {"link": link, "label": label}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "doors", "singular": "door", "kind": "Door", "listKind": "DoorList"}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    bare.create(
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        {"metadata": {"name": "doors.example.com"}, "spec": spec},
    )
    doors = "/apis/example.com/v1/namespaces/default/doors"
    door = {"apiVersion": "example.com/v1", "kind": "Door", "metadata": {"name": "d"}, "label": "x"}
    status, refused = bare("POST", doors, {**door, "link": "http://a.example.com"})
    assert status == 422
    assert [cause["field"] for cause in refused["details"]["causes"]] == ["link"]
    bare.create(doors, {**door, "link": "https://a.example.com"})


def test_a_rule_that_takes_an_absent_old_value_is_kept_at_the_first_write_and_at_the_next(bare):
    rule = {
        "rule": "!oldSelf.hasValue() || self == oldSelf.value() // set once",
        "optionalOldSelf": True,
        "messageExpression": "oldSelf.hasValue() ? 'it stays' : 'never told'",
    }
    schema = {"type": "object", "properties": {"color": {"type": "string", "x-kubernetes-validations": [rule]}}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "doors", "singular": "door", "kind": "Door", "listKind": "DoorList"}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    body = {"metadata": {"name": "doors.example.com"}, "spec": spec}
    bare.create("/apis/apiextensions.k8s.io/v1/customresourcedefinitions", body)
    doors = "/apis/example.com/v1/namespaces/default/doors"
    door = {"apiVersion": "example.com/v1", "kind": "Door", "metadata": {"name": "d"}}
    made = bare.create(doors, {**door, "color": "red"})
    assert bare("PUT", f"{doors}/d", made)[0] == 200
    status, refused = bare("PUT", f"{doors}/d", {**made, "color": "blue"})
    assert (status, refused["details"]["causes"][0]["message"]) == (422, "Invalid value: it stays")


def test_a_definition_whose_rules_could_cost_too_much_is_refused_and_accepted_with_bounds(bare):
    unique = {"rule": "self.all(x, self.exists_one(y, x == y))"}
    items = {"type": "array", "items": {"type": "string"}, "x-kubernetes-validations": [unique]}
    schema = {"type": "object", "properties": {"names": items}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "doors", "singular": "door", "kind": "Door", "listKind": "DoorList"}
    spec = {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [version]}
    body = {"metadata": {"name": "doors.example.com"}, "spec": spec}
    definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
    status, refused = bare("POST", definitions, body)
    assert status == 422
    at = "spec.versions[0].schema.openAPIV3Schema"
    rule = f"{at}.properties[names].x-kubernetes-validations[0].rule"
    assert [cause["field"] for cause in refused["details"]["causes"]] == [rule, rule, at]
    assert "estimated rule cost exceeds budget by factor of more than 100x" in refused["message"]
    items.update(maxItems=20, items={"type": "string", "maxLength": 63})
    bare.create(definitions, body)


# --- time, faults, restarts ---------------------------------------------------------------------------------------


def test_time_can_be_stepped_past_a_deadline(fresh_sandbox):
    cluster = fresh_sandbox()
    api = Api(cluster)
    path = "/apis/apps/v1/namespaces/default/deployments/web"
    api.apply(path, deployment("web", image="nginx:broken", progressDeadlineSeconds=600))
    progressing = lambda _, body: (body.get("status") or {}).get("unavailableReplicas") == 2  # noqa: E731
    api.until(path, progressing)
    cluster.step(2)
    cluster.step(601)
    late = lambda _, body: "ProgressDeadlineExceeded" in json.dumps(body["status"])  # noqa: E731
    api.until(path, late)


def test_faults_can_be_turned_on_and_off_while_it_runs(bare):
    assert bare("PUT", "/sandbox/faults", b"error=500:100%")[0] == 200
    assert bare.get("/api/v1/namespaces")[0] == 500
    assert bare("PUT", "/sandbox/faults", b"error=429:100%")[0] == 200
    with bare.open("GET", "/api/v1/namespaces") as response:
        assert (response.status, response.headers["Retry-After"]) == (429, "1")
    assert bare("PUT", "/sandbox/faults", b"error=reset:100%")[0] == 200
    with pytest.raises(OSError):
        bare.get("/api/v1/namespaces")
    assert bare("PUT", "/sandbox/faults", b"none")[0] == 200
    assert bare.get("/api/v1/namespaces")[0] == 200


def test_a_fault_that_cannot_be_read_is_named(bare):
    status, body = bare("PUT", "/sandbox/faults", b"error=500:often")
    assert status == 400
    assert "500:often" in body["message"]


@pytest.mark.parametrize("seconds", [b"soon", b"-1", b"inf", b""])
def test_time_moves_ahead_by_a_number_of_seconds_only(bare, seconds):
    status, body = bare("POST", "/sandbox/step", seconds)
    assert (status, body["reason"]) == (400, "BadRequest")
    assert bare("POST", "/sandbox/step", b"1.5")[0] == 200


def test_watches_end_early_where_the_faults_say_so(fresh_sandbox):
    api = Api(fresh_sandbox(controllers="none", faults="watch-close=200ms"))
    with api.open("GET", "/api/v1/namespaces", watch=1, timeoutSeconds=20) as response:
        assert len(response.read().splitlines()) >= 4


@pytest.mark.parametrize("query", ["", "?watch=1"], ids=["list", "watch"])
def test_a_client_that_goes_before_its_answer_is_no_error(fresh_sandbox, caplog, query):
    api = Api(fresh_sandbox(controllers="none", faults="delay=200ms..200ms"))
    gone = api.send("GET", f"/api/v1/namespaces{query}")
    gone.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # closed with a reset
    gone.close()
    assert api.get("/api/v1/namespaces")[0] == 200
    time.sleep(0.1)
    assert caplog.text == ""


def test_a_fault_that_resets_the_connection_is_no_error_of_the_server(bare, caplog):
    assert bare("PUT", "/sandbox/faults", b"error=reset:100%")[0] == 200
    with pytest.raises(OSError):
        bare.get("/api/v1/namespaces")
    assert bare("PUT", "/sandbox/faults", b"none")[0] == 200
    assert caplog.text == ""


def test_a_cluster_survives_a_restart(fresh_sandbox, tmp_path):
    tokens = {"root": User("root", ("system:masters",))}
    first = fresh_sandbox(data_dir=tmp_path, tokens=tokens)
    api = Api(first)
    api.create(MAPS.format("default"), config_map("kept", {"k": "v"}))
    path = "/apis/apps/v1/namespaces/default/deployments/web"
    api.apply(path, deployment("web", replicas=1))
    api.until(path, lambda _, body: (body.get("status") or {}).get("availableReplicas") == 1)
    before = api.get("/api/v1/namespaces/default/configmaps/kept")[1]
    first.stop()
    again = Api(fresh_sandbox(data_dir=tmp_path, tokens=tokens))
    assert again.get("/api/v1/namespaces/default/configmaps/kept")[1] == before
    again("PATCH", path, {"spec": {"replicas": 2}}, type=MERGE)
    again.until(path, lambda _, body: (body.get("status") or {}).get("availableReplicas") == 2)


def test_a_port_in_use_is_one_clear_message(fresh_sandbox):
    first = fresh_sandbox(controllers="none")
    port = int(first.url.rpartition(":")[2])
    with pytest.raises(SandboxError, match=f"port {port} on 127.0.0.1 cannot be used"):
        fresh_sandbox(controllers="none", port=port)


def test_yaml_is_read_as_well_as_json(bare):
    text = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: v}\n"
    status, body = bare("PATCH", MAPS.format("default") + "/a", text, type=APPLY, fieldManager="m")
    assert (status, body["data"]) == (201, {"k": "v"})


def test_a_kubeconfig_stays_valid_over_restarts_of_a_cluster_with_a_data_folder(tmp_path):
    with SandboxThread(data_dir=tmp_path) as first:
        before, port = first.kubeconfig(), int(first.url.rpartition(":")[2])
    with SandboxThread(data_dir=tmp_path, port=port) as second:
        assert second.kubeconfig() == before
    assert (tmp_path / "token").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles", 201),
        ("/api/v1/namespaces/default/configmaps", 404),
    ],
)
def test_a_put_makes_only_what_is_of_a_kind_that_is_made_so(bare, path, code):
    body = {"metadata": {"name": "made"}}
    assert bare("PUT", f"{path}/made", body)[0] == code
    assert bare("GET", f"{path}/made")[0] == (200 if code == 201 else 404)


def test_a_put_of_what_is_not_there_takes_the_right_to_create(fresh_sandbox):
    tokens = {"root": User("root", ("system:masters",)), "dev": User("ada", ())}
    running = fresh_sandbox(tokens=tokens, controllers="none")
    root, dev = Api(running, "root"), Api(running, "dev")
    rbac, maker = "/apis/rbac.authorization.k8s.io/v1", {"metadata": {"name": "maker"}}
    rule = {"apiGroups": [""], "resources": ["services"], "verbs": ["update"]}
    root.create(f"{rbac}/clusterroles", {**maker, "rules": [rule]})
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "maker"}
    subjects = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "ada"}]
    root.create(f"{rbac}/clusterrolebindings", {**maker, "roleRef": reference, "subjects": subjects})
    service = {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80}]}}
    code, answer = dev("PUT", "/api/v1/namespaces/default/services/web", service)
    assert (code, "cannot create resource" in answer["message"]) == (403, True)
