"""One object restarted, scaled or deleted over HTTP: only the Application's, with its rights, and it is no drift."""

import contextlib
import time
from functools import partial
from urllib.parse import urlencode

import pytest

from gitops.manifests.key import ResourceKey
from gitops.model.errors import ApiError
from gitops.server.auth.tokens import Scope, new_token
from gitops.sync.inventory_store import read_inventory
from gitops.sync.object_acts import Delete, Restart, Scale, do_to_object
from gitops.sync.operator_acts import Operator
from tests.scenarios.http import Web
from tests.scenarios.running import Running
from tests.scenarios.test_logs_page import LOOKS
from tests.scenarios.test_missing_rights import TOKENS, Rights
from tests.scenarios.test_objects_page import pods
from tests.scenarios.test_page import check_accessible
from tests.scenarios.world import config_map, deployment

ONE = "/applications/gitops/app"
STAMP = "kubectl.kubernetes.io/restartedAt"


def unscaled(name="free"):
    body = deployment(name)
    del body["spec"]["replicas"]
    return body


@pytest.fixture
def web(world, tmp_path):
    """A controller whose token `root` is an admin's."""
    sha = world.commit(settings=config_map("settings", a="1"), web=deployment("web"), free=unscaled())
    with Running(world) as running, Web(running, tmp_path) as found:
        running.until_synced(sha)
        found.tokens["root"], line = new_token("root", Scope.ADMIN, None)
        with (tmp_path / "tokens").open("a") as file:
            file.write(line + "\n")
        found.running, found.world = running, world
        yield found


def act(web, name, kind="Deployment", named="web", token="root", group="apps", **more):
    body = {"kind": kind, "group": group, "namespace": web.world.namespace, "object": named, **more}
    return web.post(f"{ONE}/object/{name}", token=web.tokens[token], **body)


def stays(web, seconds=1.5):
    """The controller finds nothing to do for a while."""
    time.sleep(seconds)
    return web.get(ONE)["sync"] == "Synced" and not web.get(f"{ONE}/drift")["drift"]


def test_a_restart_makes_the_pods_anew_and_is_no_drift(web, world):
    web.running.until(lambda: len(pods(web)) == 3)
    before = {pod["name"] for pod in pods(web)}
    done = act(web, "restart", token="ada", reason="it leaks")
    assert (done.status, done.json["by"], done.json["object"].endswith("/web")) == (200, "ada", True)
    stamp = world.get("Deployment", "web", "apps")["spec"]["template"]["metadata"]["annotations"][STAMP]
    assert stamp.endswith("Z")
    web.running.until(lambda: len(before & {pod["name"] for pod in pods(web)}) == 1)
    assert stays(web)
    sha = world.commit(
        settings=config_map("settings", a="2"), web=deployment("web", image="nginx:1.27"), free=unscaled()
    )
    web.running.until_synced(sha)  # another commit does not take it back either
    assert world.get("Deployment", "web", "apps")["spec"]["template"]["metadata"]["annotations"][STAMP] == stamp
    facts = [(one["fact"], one["actor"], one["detail"].get("reason")) for one in entries(web)]
    assert facts == [("object.restart.done", "ada", None), ("object.restart.requested", "ada", "it leaks")]
    world.check_audit()


def entries(web):
    return web.get(f"{ONE}/events?fact=object.*")["items"]


def test_a_strict_application_keeps_a_restart_and_a_scale(world, tmp_path):
    sha = world.commit(free=unscaled())
    with Running(world, strict=True) as running, Web(running, tmp_path) as web:
        web.running, web.world = running, world
        running.until_synced(sha)
        web.tokens["root"], line = new_token("root", Scope.ADMIN, None)
        with (tmp_path / "tokens").open("a") as file:
            file.write(line + "\n")
        assert act(web, "restart", named="free").status == 200
        assert act(web, "scale", named="free", replicas=3).status == 200
        assert stays(web)
        live = world.get("Deployment", "free", "apps")["spec"]
        assert (live["replicas"], STAMP in live["template"]["metadata"]["annotations"]) == (3, True)


def test_a_scale_is_done_where_git_does_not_say_how_many_and_else_refused(web, world):
    done = act(web, "scale", named="free", replicas=4, reason="the feast")
    assert (done.status, done.json["act"]) == (200, "scale")
    assert world.get("Deployment", "free", "apps")["spec"]["replicas"] == 4
    assert stays(web)
    refused = act(web, "scale", replicas=4)
    assert (refused.status, "Git sets spec.replicas" in refused.json["detail"]) == (409, True)
    assert world.get("Deployment", "web", "apps")["spec"]["replicas"] == 2
    assert [one["detail"].get("replicas") for one in entries(web)] == [4, 4]
    sha = world.commit(
        settings=config_map("settings", a="1"), web=deployment("web"), free=deployment("free", replicas=1)
    )
    web.running.until_synced(sha)  # Git says now, and its word counts
    assert world.get("Deployment", "free", "apps")["spec"]["replicas"] == 1


@pytest.mark.parametrize("replicas", [-1, "3", None, 10**6, True])
def test_a_number_of_replicas_that_is_none_is_refused(web, world, replicas):
    assert act(web, "scale", named="free", replicas=replicas).status == 400


def test_what_is_in_git_is_made_again_after_it_was_deleted(web, world):
    before = world.get("ConfigMap", "settings")["metadata"]["uid"]
    done = act(web, "delete", "ConfigMap", "settings", group="", reason="to see")
    assert (done.status, done.json["note"]) == (200, "it is in Git: the controller makes it again")
    web.running.until(
        lambda: (world.get("ConfigMap", "settings") or {}).get("metadata", {}).get("uid", before) != before
    )
    facts = [one["fact"] for one in entries(web)]
    assert facts == ["object.delete.done", "object.delete.requested"]


def test_a_pod_that_a_workload_made_is_deleted_and_another_one_is_made(web, world):
    web.running.until(lambda: len(pods(web)) == 3)
    name = pods(web)[0]["name"]
    assert act(web, "delete", "Pod", name, group="").json["note"] == "who made it makes another one"
    web.running.until(lambda: name not in {pod["name"] for pod in pods(web)} and len(pods(web)) == 3)
    made = {one["kind"]: one["name"] for node in web.get(f"{ONE}/tree")["objects"] for one in node["children"]}
    refused = act(web, "delete", "ReplicaSet", made["ReplicaSet"])
    assert (refused.status, "Pods can be deleted" in refused.json["detail"]) == (409, True)


@pytest.mark.parametrize("kind_of_act", [Restart, partial(Scale, 3), Delete])
def test_another_object_that_has_come_by_that_name_meanwhile_is_left_alone(web, world, kind_of_act):
    looked_at = world.get("Deployment", "free", "apps")["metadata"]["uid"]
    web.running.call(lambda: web.running.controller._gone("gitops/app"))  # nobody makes it again
    path = f"/apis/apps/v1/namespaces/{world.namespace}/deployments"
    world.request("DELETE", f"{path}/free")
    web.running.until(lambda: not world.get("Deployment", "free", "apps"))
    world.request("POST", path, unscaled())
    before = world.get("Deployment", "free", "apps")["spec"]

    async def act(context):
        operator = Operator("ada", context, await read_inventory(context, world.app))
        key = ResourceKey("apps", "Deployment", world.namespace, "free")
        # The one that was to be deleted is gone, as was wanted.
        refused = pytest.raises(ApiError, match=r"(?i)uid") if kind_of_act is not Delete else contextlib.nullcontext()
        with refused:
            await do_to_object(operator, key, kind_of_act(looked_at))

    world._context(act)
    assert world.get("Deployment", "free", "apps")["spec"] == before


def test_another_object_by_that_name_is_a_conflict_and_no_fault_of_the_cluster(web, monkeypatch):
    monkeypatch.setattr("gitops.server.api.object_acts.uid_of", lambda _: "00000000-0000-0000-0000-000000000000")
    for words, more in ((("restart", "Deployment", "free"), {}), (("scale", "Deployment", "free"), {"replicas": 3})):
        refused = act(web, *words, **more)
        assert (refused.status, refused.json["title"]) == (409, "It has changed meanwhile"), refused.text


def test_nothing_else_in_the_cluster_is_touched(web, world):
    world.request("POST", f"/api/v1/namespaces/{world.namespace}/configmaps", config_map("foreign"))
    parent = f"/api/v1/namespaces/{world.namespace}/configmaps/gitops-app"
    for name in ("foreign", "gitops-app", "nothing", "../secrets/x"):
        assert act(web, "delete", "ConfigMap", name, group="").status in (400, 404)
    # Not even where somebody has written it into the inventory, which is a ConfigMap like others.
    world.request(
        "PATCH", parent, {"data": forged(world.request("GET", parent)["data"], world.namespace)}, "kubectl-edit", MERGE
    )
    refused = act(web, "delete", "ConfigMap", "foreign", group="")
    assert refused.status in (404, 409), refused.text
    assert world.get("ConfigMap", "foreign")
    assert entries(web) == []


MERGE = "application/merge-patch+json"


def forged(data, namespace):
    """An inventory that names one more object."""
    return {name: text.replace(f"{namespace}/settings", f"{namespace}/foreign") for name, text in data.items()}


def test_what_holds_data_is_deleted_only_when_that_is_confirmed(world, tmp_path):
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    world.commit(data=claim)
    with Running(world) as running, Web(running, tmp_path) as web:
        web.running, web.world = running, world
        running.until(lambda: world.get("PersistentVolumeClaim", "data"))
        web.tokens["root"], line = new_token("root", Scope.ADMIN, None)
        with (tmp_path / "tokens").open("a") as file:
            file.write(line + "\n")
        running.until(lambda: web.ask(f"/api/v1{ONE}/tree", token=web.tokens["root"]).status == 200)
        before = world.get("PersistentVolumeClaim", "data")["metadata"]["uid"]
        held = act(web, "delete", "PersistentVolumeClaim", "data", group="")
        assert (held.status, "its data, would be deleted" in held.json["detail"]) == (409, True)
        assert act(web, "delete", "PersistentVolumeClaim", "data", group="", confirm=True).status == 200
        running.until(
            lambda: (world.get("PersistentVolumeClaim", "data") or {}).get("metadata", {}).get("uid", "") != before
        )


def test_the_policy_says_who_may_do_what_to_which_object(world, tmp_path):
    lines = (
        "p, grace, applications, action/apps/Deployment/restart, gitops/app, allow",
        "p, ada, applications, action/apps/Deployment/scale, gitops/app, deny",
        "p, root, applications, delete/*/ConfigMap/*, gitops/app, deny",
    )
    (tmp_path / "policy.csv").write_text("\n".join(lines) + "\n")
    sha = world.commit(settings=config_map("settings"), free=unscaled())
    options = {"policy": tmp_path / "policy.csv"}
    with Running(world) as running, Web(running, tmp_path, options=options) as web:
        running.until_synced(sha)
        web.running, web.world = running, world
        web.tokens["root"], line = new_token("root", Scope.ADMIN, None)
        with (tmp_path / "tokens").open("a") as file:
            file.write(line + "\n")
        assert act(web, "restart", named="free", token="ada").status == 200
        refused = act(web, "scale", named="free", token="ada", replicas=1)
        needed = "ada may not: that needs action/apps/Deployment/scale on gitops/app, which a line of the policy denies"
        assert (refused.status, refused.json["detail"]) == (403, needed)
        assert act(web, "delete", named="free", token="ada").status == 403  # an operator deletes nothing
        assert act(web, "delete", "ConfigMap", "settings", group="").status == 403
        assert (
            act(web, "restart", named="free", token="grace").status == 403
        )  # a token is a viewer's whatever lines say
        text = web.ask(page_of(world, "free"), token=web.tokens["ada"]).text
        offered = [name for name in ("restart", "scale", "delete") if f"/object/acts/{name}" in text]
        assert offered == ["restart"]


def test_an_act_has_the_rights_of_the_applications_account_and_no_more(fresh_sandbox, tmp_path):
    rights = Rights(fresh_sandbox(tokens=TOKENS, speed=8.0, nodes=1), tmp_path)
    world, account = rights.world, {"kind": "ServiceAccount", "name": "deployer", "namespace": "gitops"}
    world.request("POST", "/api/v1/namespaces", {"metadata": {"name": "rights"}})
    rights.give(("apps", "deployments", *LOOKS), ("", "configmaps", *LOOKS), subject=account)
    sha = world.commit(free=unscaled())
    with Running(world, serviceAccount="deployer") as running, Web(running, tmp_path) as web:
        running.until_synced(sha)
        web.running, web.world = running, world
        assert act(web, "restart", named="free", token="ada").status == 200
        refused = act(web, "scale", named="free", token="ada", replicas=3, reason="the feast")
        assert (refused.status, 'cannot patch resource "deployments/scale"' in refused.json["detail"]) == (502, True)
        assert "replicas" not in world.get("Deployment", "free", "apps")["spec"] or (
            world.get("Deployment", "free", "apps")["spec"]["replicas"] == 1
        )
        failed, requested, *_ = entries(web)
        assert (failed["fact"], requested["fact"]) == ("object.scale.failed", "object.scale.requested")
        assert "deployer" in failed["detail"]["reason"]


def page_of(world, named, kind="Deployment", group="apps"):
    return f"{ONE}/object?" + urlencode({"kind": kind, "object": named, "group": group, "namespace": world.namespace})


def test_the_page_of_an_object_acts_after_a_second_look(web, world):
    root = web.tokens["root"]
    page = web.ask(page_of(world, "web"), token=root)
    check_accessible(page)
    text = page.text
    assert "Git sets spec.replicas" in text
    assert [name for name in ("restart", "scale", "delete") if f"/object/acts/{name}" in text] == ["restart", "delete"]
    fields = {"kind": "Deployment", "group": "apps", "namespace": world.namespace, "object": "web", "reason": "x"}
    done = web.form(f"{ONE}/object/acts/restart", root, fields=fields)
    assert (done.status, done.headers["Location"].endswith("&said=restart")) == (303, True)
    assert "It is restarted" in web.ask(done.headers["Location"], token=root).text
    assert web.form(f"{ONE}/object/acts/scale", root, fields=fields | {"object": "free", "replicas": "3"}).status == 303
    assert world.get("Deployment", "free", "apps")["spec"]["replicas"] == 3
    assert web.form(f"{ONE}/object/acts/scale", root, fields=fields | {"object": "free", "replicas": "x"}).status == 400
    done = web.form(f"{ONE}/object/acts/delete", root, fields=fields)
    assert (done.status, done.headers["Location"]) == (303, f"{ONE}?said=delete")
    assert web.form(f"{ONE}/object/acts/explode", root, fields=fields).status == 404
