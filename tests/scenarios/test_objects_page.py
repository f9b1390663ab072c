"""What an Application's objects made and how they are, over HTTP: the tree down to the container."""

from urllib.parse import urlencode

from tests.scenarios.http import Web, check
from tests.scenarios.running import Running
from tests.scenarios.test_page import EVIL, ONE, Tags, check_harmless
from tests.scenarios.world import config_map, deployment, job


def pods_of(node):
    """The Pods of a tree's node, however deep."""
    own = [node] if node["kind"] == "Pod" else []
    return own + [pod for child in node["children"] for pod in pods_of(child)]


def pods(web):
    """All Pods of the tree; none before the cluster has been reached."""
    answer = web.ask(f"/api/v1{ONE}/tree", token=web.tokens["grace"])
    return [pod for node in answer.json["objects"] for pod in pods_of(node)] if answer.status == 200 else []


def words(web, path, token="grace"):
    return " ".join(check_harmless(web.ask(path, token=web.tokens[token]).text).text.split())


def test_the_tree_goes_down_to_each_container_with_its_state(web, running):
    running.until(lambda: len(pods_of(web.get(f"{ONE}/tree")["objects"][0])) == 2)
    tree = web.get(f"{ONE}/tree")
    (made,) = tree["objects"]
    assert (made["kind"], [child["kind"] for child in made["children"]], tree["pods"]) == (
        "Deployment",
        ["ReplicaSet"],
        2,
    )
    (container,) = pods_of(made)[0]["containers"]
    assert (container["name"], container["state"], container["ready"]) == ("web", "running", True)
    assert (container["image"], container["restarts"], bool(container["since"])) == ("nginx:1.26", 0, True)
    assert "container web running" in words(web, ONE)


def test_the_tree_shows_why_a_container_does_not_run_and_what_is_wrong_comes_first(world, tmp_path):
    world.commit(web=deployment("web", image="busybox:crash"), fine=deployment("fine", replicas=1))
    with Running(world) as running, Web(running, tmp_path) as web:

        def crashed():
            found = [one["containers"][0] for one in pods(web)]
            return [one for one in found if one["reason"] == "CrashLoopBackOff"]

        running.until(crashed)
        (container, *_) = crashed()
        assert (container["problem"], container["state"], container["restarts"] > 0) == (True, "waiting", True)
        text = words(web, ONE)
        assert "waiting: CrashLoopBackOff" in text
        assert "restart" in text
        page = Tags(web.ask(ONE, token=web.tokens["grace"]).text)
        made = {one["id"]: one for one in page.all("details") if one.get("id", "").startswith("made-Pod")}
        assert all("open" in one for name, one in made.items() if "-web-" in name)


def test_what_a_job_made_is_in_the_tree(world, tmp_path):
    sha = world.commit(once=job("once"))
    with Running(world) as running, Web(running, tmp_path) as web:
        running.until_synced(sha)
        (made,) = web.get(f"{ONE}/tree")["objects"]
        (pod,) = pods_of(made)
        (container,) = pod["containers"]
        assert (made["kind"], container["state"], container["exitCode"]) == ("Job", "terminated", 0)


def test_very_many_pods_are_counted_and_not_all_shown(web, running, monkeypatch):
    monkeypatch.setattr("gitops.views.workloads.MOST_PODS", 1)
    running.until(lambda: web.get(f"{ONE}/tree")["more"] == 1)
    tree = web.get(f"{ONE}/tree")
    assert (tree["pods"], len(pods_of(tree["objects"][0]))) == (1, 1)
    assert "and 1 more Pods" in words(web, ONE)


def nowhere(name="web"):
    """A Deployment whose one Pod no node takes: nothing but a test writes its status."""
    found = deployment(name, replicas=1)
    found["spec"]["template"]["spec"]["nodeSelector"] = {"nowhere": "yes"}
    return found


def test_text_that_a_pod_says_of_itself_is_text(world, tmp_path):
    world.commit(web=nowhere())
    with Running(world) as running, Web(running, tmp_path) as web:
        running.until(lambda: pods(web))
        (pod,) = pods(web)
        waiting = {"waiting": {"reason": f"{EVIL}Error", "message": EVIL}}
        status = {"name": "web", "image": EVIL, "imageID": "", "ready": False, "restartCount": 3, "state": waiting}
        world.edit(f"core/pods/{pod['name']}/status", {"status": {"containerStatuses": [status]}})
        running.until(lambda: pods(web)[0]["containers"][0]["problem"])
        assert "<script>alert(1)</script>" in words(web, ONE)


def test_an_account_that_may_not_list_pods_is_told_so_and_the_page_is_there(world, tmp_path, monkeypatch):
    from gitops.adapters.kubernetes.cluster import KubernetesCluster
    from gitops.model.errors import ApiError

    pages = KubernetesCluster.pages

    def refused(self, group, kind, *rest, **more):
        if kind == "Pod":
            raise ApiError(403, "Forbidden", 'pods is forbidden: User "x" cannot list resource "pods"')
        return pages(self, group, kind, *rest, **more)

    sha = world.commit(web=deployment("web"))
    with Running(world) as running, Web(running, tmp_path) as web:
        running.until_synced(sha)
        monkeypatch.setattr(KubernetesCluster, "pages", refused)
        running.until(lambda: web.get(f"{ONE}/tree")["unread"])
        assert 'cannot list resource "pods"' in words(web, ONE)
        assert "Deployment apps 1" in words(web, ONE)


def test_a_page_does_not_wait_for_plans_that_take_long(web, monkeypatch):
    monkeypatch.setattr("gitops.server.app._PLANS", 0)
    with Web(web.running, web.folder) as other:
        assert other.get(f"{ONE}/tree")["objects"]
        assert "container web running" in words(other, ONE)


def test_many_who_look_at_a_tree_cost_one_look_at_the_cluster(web, running):
    tree = web.get(f"{ONE}/tree")
    before = running.call(lambda: running.controller.workers.get("").deps.cluster.requests[0])
    for _ in range(5):
        assert web.get(f"{ONE}/tree")["application"] == tree["application"]
    after = running.call(lambda: running.controller.workers.get("").deps.cluster.requests[0])
    assert after - before <= 6


# ── one object ───────────────────────────────────────────────────────────────────────────────────────────────────


def named(world, kind, name, group="", namespace=None):
    query = {"kind": kind, "object": name, "group": group, "namespace": namespace or world.namespace}
    return f"object?{urlencode({key: value for key, value in query.items() if value})}"


def test_an_object_is_shown_live_and_desired_with_its_change_and_who_owns_each_field(world, tmp_path):
    sha = world.commit(settings=config_map("settings", a="1"))
    with Running(world, drift="report") as running, Web(running, tmp_path) as web:
        running.until_synced(sha)
        world.edit("core/configmaps/settings", {"data": {"a": "5"}})
        running.until(lambda: web.get(ONE)["drift"])
        one = web.get(f"{ONE}/{named(world, 'ConfigMap', 'settings')}")
        assert (one["live"]["data"], one["desired"]["data"], one["change"]) == ({"a": "5"}, {"a": "1"}, "update")
        (field,) = one["fields"]
        assert (field["path"], field["owner"]["manager"]) == ("data.a", "kubectl-edit")
        owners = {found["manager"]: found for found in one["managers"]}
        assert (owners["kubectl-edit"]["fields"], owners["kubectl-edit"]["operation"]) == (["data.a"], "Update")
        assert "managedFields" not in one["live"]["metadata"]
        assert one["origin"] == "settings.yaml:1"
        text = words(web, f"{ONE}/{named(world, 'ConfigMap', 'settings')}")
        for part in ("What a sync would change of it", "data.a 5 1 kubectl-edit", "Who owns its fields"):
            assert part in text


def test_why_an_object_is_not_healthy_and_its_events_are_told(world, tmp_path):
    world.commit(web=deployment("web", image="busybox:broken", replicas=1))
    with Running(world) as running, Web(running, tmp_path) as web:
        path = f"{ONE}/{named(world, 'Deployment', 'web', 'apps')}"
        running.until(lambda: "ImagePullBackOff" in web.ask(f"/api/v1{path}", token=web.tokens["ada"]).text)
        one = web.get(path)
        assert "container web: ImagePullBackOff" in one["why"]
        assert "ScalingReplicaSet" in [event["reason"] for event in one["events"]]
        (pod,) = pods(web)
        of_pod = web.get(f"{ONE}/{named(world, 'Pod', pod['name'])}")
        assert (of_pod["madeBy"], of_pod["containers"][0]["reason"]) == (
            f"apps/Deployment {world.namespace}/web",
            "ImagePullBackOff",
        )
        assert "Why it is not healthy" in words(web, f"{ONE}/{named(world, 'Pod', pod['name'])}")


def test_an_object_that_is_not_the_applications_is_not_shown(web, world):
    world.request("POST", f"/api/v1/namespaces/{world.namespace}/configmaps", config_map("foreign", a="1"))
    forged = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "uid": "1-2-3", "controller": True}
    pod = {
        "metadata": {"name": "forged", "ownerReferences": [forged]},
        "spec": {"containers": [{"name": "c", "image": "x"}]},
    }
    world.request("POST", f"/api/v1/namespaces/{world.namespace}/pods", {"apiVersion": "v1", "kind": "Pod", **pod})
    for query in (
        named(world, "ConfigMap", "foreign"),
        named(world, "Pod", "forged"),
        named(world, "Secret", "gitops-tokens", namespace="kube-system"),
        named(world, "Pod", "nowhere"),
    ):
        answer = web.ask(f"/api/v1{ONE}/{query}", token=web.tokens["ada"])
        check(answer, "GET", f"{ONE}/{query}")
        assert answer.status == 404, answer.text
        assert web.ask(f"{ONE}/{query}", token=web.tokens["ada"]).status == 404


def test_a_value_of_a_secret_is_on_no_objects_page(world, tmp_path):
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {"p": "hunter2-canary"}}
    sha = world.commit(secret=secret, web=nowhere())
    with Running(world, automated=True) as running, Web(running, tmp_path) as web:
        path = f"{ONE}/{named(world, 'Secret', 's')}"
        running.until(lambda: web.ask(f"/api/v1{path}", token=web.tokens["ada"]).status == 200)
        found = [web.ask(path, token=web.tokens["ada"]).text, web.ask(f"/api/v1{path}", token=web.tokens["ada"]).text]
        assert sha
    text = "\n".join(found)
    assert text.count("(hidden)") >= 2
    assert not [word for word in ("hunter2", "canary", "aHVudGVyMi") if word in text]


def test_what_is_hidden_in_an_object_is_hidden_in_what_that_made(world, tmp_path):
    hidden = nowhere()
    hidden["metadata"]["annotations"] = {"gitops.dev/values": "hidden"}
    hidden["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "P", "value": "hunter2-canary"}]
    world.commit(web=hidden)
    with Running(world) as running, Web(running, tmp_path) as web:
        running.until(lambda: pods(web))
        (pod,) = pods(web)
        for query in (named(world, "Pod", pod["name"]), named(world, "Deployment", "web", "apps")):
            answer = web.ask(f"/api/v1{ONE}/{query}", token=web.tokens["ada"])
            assert (answer.status, "hidden)" in answer.text, "canary" in answer.text) == (200, True, False)


def test_a_strangers_text_is_text_on_an_objects_page(web, world, running):
    world.edit("core/configmaps/settings", {"metadata": {"annotations": {"x": EVIL}}}, EVIL[:60])
    uid = world.get("ConfigMap", "settings")["metadata"]["uid"]
    event = {
        "metadata": {"name": "evil"},
        "involvedObject": {"kind": "ConfigMap", "name": "settings", "namespace": world.namespace, "uid": uid},
        **dict.fromkeys(("reason", "message"), EVIL),
        **{"type": "Warning", "source": {"component": EVIL}, "lastTimestamp": "2026-01-01T00:00:00Z"},
    }
    world.request("POST", f"/api/v1/namespaces/{world.namespace}/events", event)
    path = f"{ONE}/{named(world, 'ConfigMap', 'settings')}"
    running.until(lambda: web.get(path)["events"])
    assert words(web, path).count("<script>alert(1)</script>") >= 3
    hostile = named(world, EVIL[:60], EVIL[:60])
    check_harmless(web.ask(f"{ONE}/{hostile}", token=web.tokens["ada"]).text)


def test_an_object_whose_source_cannot_be_rendered_is_shown_as_it_is_live(web, world, running):
    world.commit(broken="kind: [")
    path = f"{ONE}/{named(world, 'ConfigMap', 'settings')}"
    running.until(lambda: web.get(path)["desiredError"])
    one = web.get(path)
    assert (one["live"]["data"], one["desired"]) == ({"a": "1"}, None)
    assert "what is desired is not known" in words(web, path)
