"""What an Application's objects made and how they are, over HTTP: the tree down to the container."""

import pytest

from tests.scenarios.http import Web
from tests.scenarios.running import Running
from tests.scenarios.test_page import EVIL, ONE, Tags, check_harmless
from tests.scenarios.world import config_map, deployment, job


@pytest.fixture
def running(world):
    world.sha = world.commit(settings=config_map("settings", a="1"), web=deployment("web"))
    with Running(world) as found:
        found.until_synced(world.sha)
        yield found


@pytest.fixture
def web(running, tmp_path):
    with Web(running, tmp_path) as found:
        yield found


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


def test_many_who_look_at_a_tree_cost_one_look_at_the_cluster(web, running):
    tree = web.get(f"{ONE}/tree")
    before = running.call(lambda: running.controller.workers.get("").deps.cluster.requests[0])
    for _ in range(5):
        assert web.get(f"{ONE}/tree")["application"] == tree["application"]
    after = running.call(lambda: running.controller.workers.get("").deps.cluster.requests[0])
    assert after - before <= 6
