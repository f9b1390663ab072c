"""What the operations of the API answer, each held against what the controller and the cluster in memory know."""

from dataclasses import replace

import pytest

from gitops.controller.followed_file import FollowedFile
from gitops.controller.projects import Projects
from gitops.controller.registry import Registration
from gitops.controller.replica import Alone
from gitops.engine.object_acts import RESTARTED_AT
from gitops.engine.states import Response
from gitops.manifests.key import key_of
from gitops.model.errors import ConfigError, HeldError
from gitops.model.operator_command import APPROVED, SUSPENDED
from gitops.project_file import read_projects
from gitops.server.api.acts import get_request
from gitops.server.api.operations import Call
from gitops.server.api.projects import get_project
from gitops.server.auth.person import NOBODY, Person, Way
from gitops.server.problems import Problem
from tests.unit.desk import config_map
from tests.unit.served import ADA, Overseen
from tests.unit.test_passes import deployment, rolling_out

A, WEB = config_map("a", x="1"), deployment()
EVE = Person("eve", Way.TOKEN, ("role:viewer",), only=("other/*",))


@pytest.fixture
def make(tmp_path):
    made = []

    def begun(*bodies, **options):
        overseen = Overseen(tmp_path, **{"automated": True, "timeout": 600.0, **options})
        made.append(overseen)
        overseen.sha = overseen.commit(*(bodies or (A,)))
        overseen.begin()
        return overseen

    yield begun
    for overseen in made:
        overseen.end()


@pytest.fixture
def served(make):
    """One that has synced `A`."""
    found = make()
    settled(found)
    return found


def settled(overseen):
    overseen.until(lambda: overseen.state.last.response is Response.SETTLED and overseen.state.schedule.task is None)


def put(overseen, app):
    async def given():
        overseen.controller.registry.put("test", Registration(app, trusted=True))

    overseen.wait(given())


# ── one Application ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_application_is_told_with_its_options_and_where_it_is(served):
    served.until(lambda: served.call("getApplication")["changedAt"])  # once its record is written
    found = served.call("getApplication")
    assert (found["application"], found["sync"], found["revision"], found["ref"]) == (
        "gitops/app",
        "Synced",
        served.sha,
        "main",
    )
    assert found["options"] == {"automated": True, "prune": True, "drift": "report", "serviceAccount": ""}
    assert (found["held"], found["pass"], found["failures"], found["dependsOn"]) == ([], False, 0, [])
    assert (found["images"], found["hosts"]) == ([], [])


def test_its_releases_and_attempts_are_those_of_its_own_cluster(served):
    second = served.commit(config_map("a", x="2"))
    served.until(lambda: served.call("getHistory")["releases"][0]["revision"] == second)
    found = served.call("getHistory")
    assert [(one["number"], one["revision"]) for one in found["releases"]] == [(2, second), (1, served.sha)]
    assert [(one["kind"], one["outcome"]) for one in found["attempts"]] == [("sync", "synced")] * 2


def test_its_entries_are_told_newest_first_page_by_page_and_by_their_fact(served):
    every = served.call("getEvents")["items"]
    assert [one["fact"] for one in every] == served.facts()[::-1]
    pages, following = [], ""
    while following is not None:
        page = served.call("getEvents", limit=1, before=following)
        pages += page["items"]
        following = page["next"]
    assert pages == every
    assert {one["fact"] for one in served.call("getEvents", fact="sync.*")["items"]} == {
        "sync.started",
        "sync.finished",
    }
    assert [one["fact"] for one in served.call("getEvents", fact="sync.started")["items"]] == ["sync.started"]
    with pytest.raises(Problem, match="knows no Application gitops/none"):
        served.call("getEvents", application="gitops/none")


def test_the_plan_of_a_sync_waits_only_where_it_is_the_one_to_be_approved(make):
    overseen = make(automated=False)
    overseen.until(lambda: overseen.state.last.response is Response.APPROVAL)
    found = overseen.call("getDiff")
    assert (found["id"], found["waits"]) == (overseen.state.last.plan_id, True)
    overseen.cluster.put(config_map("a", x="by hand"))
    assert overseen.call("getDiff")["waits"] is False
    settled_one = overseen.call("getDiff")
    assert settled_one["id"] != found["id"]


def test_drift_is_told_as_it_is_now_and_as_it_was_recorded(served):
    assert (served.call("getDrift")["drift"], served.call("getDrift")["recorded"]) == ([], None)
    stored = served.cluster.put({**served.live(A), "data": {"x": "by hand"}}, "kubectl-edit")
    served.tell(A, stored)
    served.until(lambda: served.call("getDrift")["recorded"] is not None)
    found = served.call("getDrift")
    assert [(one["object"], one["fields"][0]["owner"]["manager"]) for one in found["drift"]] == [
        ("ConfigMap shop/a", "kubectl-edit")
    ]
    assert (found["recorded"]["fact"], found["underWay"]) == ("drift.detected", "")


def test_the_way_back_is_told_with_the_number_of_its_release(served):
    served.commit(config_map("a", x="2"))
    served.until(lambda: served.live(A)["data"] == {"x": "2"})
    settled(served)
    found = served.call("planRollback")
    assert (found["release"], [change["object"] for step in found["steps"] for change in step["changes"]]) == (
        1,
        ["ConfigMap shop/a"],
    )
    assert served.call("planRollback", release=1)["id"] == found["id"]
    with pytest.raises(ConfigError, match="has no release 9"):
        served.call("planRollback", release=9)


# ── acts ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def setting(overseen, name):
    return overseen.wait(overseen.store.setting("gitops/app", name))


def test_an_act_is_done_in_the_name_of_who_asked(served):
    assert served.call("suspend", reason="of the fair") == {
        "application": "gitops/app",
        "act": "suspend",
        "by": "ada",
        "request": None,
    }
    assert setting(served, SUSPENDED) == "by ada because of the fair"
    assert served.call("resume")["act"] == "resume"
    assert setting(served, SUSPENDED) is None


def test_a_plan_is_approved_that_waits_and_no_other(make):
    overseen = make(automated=False)
    overseen.until(lambda: overseen.state.last.response is Response.APPROVAL)
    with pytest.raises(ConfigError):
        overseen.call("approve", plan="0" * 64)
    assert setting(overseen, APPROVED) is None
    assert overseen.call("approve", plan=overseen.state.last.plan_id)["act"] == "approve"
    overseen.until(lambda: overseen.live(A) is not None)


def test_what_was_asked_for_is_told_to_who_sees_it_or_asked_for_it_and_as_nothing_to_others(served):
    asked = served.call("sync")
    assert (asked["act"], asked["by"]) == ("sync", "ada")
    number = asked["request"]

    def heard(person):
        return served.wait(get_request(Call(served.served, person, "", {"number": number})))

    ada = Person("ada", Way.TOKEN, ("role:operator",), only=("other/*",))
    served.until(lambda: heard(ada)["outcome"])
    assert heard(ada) == heard(Person("", roles=("role:viewer",)))
    assert heard(ada)["outcome"] == "in-sync"
    assert heard(EVE) == {"request": number, "outcome": None, "message": ""}
    assert heard(Person("", Way.TOKEN, ("role:viewer",), only=("other/*",)))["outcome"] is None


# ── objects ──────────────────────────────────────────────────────────────────────────────────────────────────────────

OBJECT = {"group": "apps", "kind": "Deployment", "namespace": "shop", "object": "web"}


@pytest.fixture
def rolled(make):
    """One that has synced a Deployment and `A`."""
    overseen = make(WEB, A)
    overseen.until(lambda: overseen.live(WEB) is not None)
    rolling_out(overseen)
    settled(overseen)
    return overseen


def test_a_workload_is_restarted_and_its_object_is_looked_at_anew(rolled):
    before = rolled.call("getObject", **OBJECT)
    found = rolled.call("restart", **OBJECT, reason="it hangs")
    assert (found["act"], found["by"], found["object"]) == ("restart", "ada", "apps/Deployment shop/web")
    assert found["note"] == "its Pods are made anew, as its strategy says"
    assert RESTARTED_AT in rolled.live(WEB)["spec"]["template"]["metadata"]["annotations"]
    assert rolled.call("getObject", **OBJECT) != before


def test_what_cannot_be_done_to_an_object_is_said(rolled):
    config = {"group": "", "kind": "ConfigMap", "namespace": "shop", "object": "a"}
    with pytest.raises(Problem, match="ConfigMap shop/a: a Deployment, a StatefulSet or a DaemonSet can be restarted"):
        rolled.call("restart", **config)
    with pytest.raises(Problem, match="can be scaled"):
        rolled.call("scale", **config, replicas=2)
    with pytest.raises(Problem, match="has no object ConfigMap shop/other"):
        rolled.call("delete", **{**config, "object": "other"})
    rolled.cluster.take(key_of(A))
    with pytest.raises(Problem, match="ConfigMap shop/a is not in the cluster"):
        rolled.call("delete", **config)


def test_what_is_being_deleted_is_not_deleted_again_whoever_confirms_that(rolled):
    body = rolled.live(A)
    rolled.cluster.put({**body, "metadata": {**body["metadata"], "finalizers": ["example.dev/hold"]}})
    rolled.cluster.take(key_of(A))
    with pytest.raises(HeldError, match=r"ConfigMap shop/a: it is being deleted$"):
        rolled.call("delete", kind="ConfigMap", namespace="shop", object="a", confirm=True)


def test_what_is_not_marked_as_its_own_is_left_alone(rolled):
    body = rolled.live(A)
    rolled.cluster.put({**body, "metadata": {**body["metadata"], "annotations": {}}})
    with pytest.raises(Problem, match="is not marked as gitops/app's: nothing is done to it"):
        rolled.call("delete", group="", kind="ConfigMap", namespace="shop", object="a")
    assert rolled.live(A) is not None


# ── places ───────────────────────────────────────────────────────────────────────────────────────────────────────────


class Elsewhere(Alone):
    """Another replica runs every Application."""

    def runs(self, identity):
        return False


def test_a_cluster_is_told_with_how_it_is_and_how_many_go_there(served):
    (found,) = served.call("listClusters")["items"]
    assert (found["cluster"], found["server"], found["state"], found["applications"], found["trouble"]) == (
        "in-cluster",
        "memory",
        "well",
        1,
        "",
    )
    assert found["lastSync"] == served.state.times.synced_at
    served.state.missed("nobody answers", is_away=True)
    (found,) = served.call("listClusters")["items"]
    assert (found["state"], found["trouble"]) == ("failing", "nobody answers")
    served.controller.replica = Elsewhere()
    assert [one["state"] for one in served.call("listClusters")["items"]] == ["elsewhere"]
    assert served.call("listClusters", person=EVE) == {"items": [], "total": 0, "offset": 0, "limit": 100}


def test_an_error_that_is_no_clusters_is_not_told_of_it_but_where_it_cannot_be_had(served):
    served.state.missed("it cannot be rendered")
    assert [one["state"] for one in served.call("listClusters")["items"]] == ["well"]
    served.controller.workers._open.clear()
    (found,) = served.call("listClusters")["items"]
    assert (found["state"], found["server"], found["trouble"]) == ("failing", "", "it cannot be rendered")
    served.state.report.well_again()
    assert [one["state"] for one in served.call("listClusters")["items"]] == ["waiting"]


def test_a_repository_is_told_with_its_trouble_first_and_page_by_page(served):
    other = replace(
        served.app,
        name="other",
        source=replace(served.app.source, repoURL="https://ada:word@git.example.com/b.git", targetRevision="next"),
        interval=60.0,
    )
    put(served, other)
    served.until(lambda: len(served.call("listRepositories")["items"]) == 2)
    served.until(lambda: {one["state"] for one in served.call("listRepositories")["items"]} == {"well"})
    b, shop = served.call("listRepositories")["items"]
    assert (b["repository"], b["targets"], b["interval"], b["applications"]) == (
        "https://git.example.com/b.git",
        ["next"],
        60.0,
        1,
    )
    assert (shop["repository"], bool(shop["lookedAt"]), shop["trouble"]) == (
        "https://git.example.com/shop.git",
        True,
        "",
    )
    served.state.source = replace(served.state.source, look_error="the host is away")
    first, second = served.call("listRepositories")["items"]
    assert (first["repository"], first["state"], first["trouble"], second["state"]) == (
        "https://git.example.com/shop.git",
        "failing",
        "the host is away",
        "well",
    )
    page = served.call("listRepositories", offset=1, limit=1)
    assert (page["items"], page["total"], page["offset"], page["limit"]) == ([second], 2, 1, 1)


# ── the audit log ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_entries_of_all_applications_are_narrowed_by_each_word_that_is_given(served):
    served.call("suspend", reason="x")
    every = served.call("listEntries", application="gitops/app")["items"]
    assert [one["fact"] for one in every] == served.facts()[::-1]
    assert [one["fact"] for one in served.call("listEntries", actor="ada")["items"]] == ["application.suspended"]
    assert [one["fact"] for one in served.call("listEntries", fact="sync.started")["items"]] == ["sync.started"]
    assert served.call("listEntries", since="2999-01-01T00:00:00Z")["items"] == []
    assert len(served.call("listEntries", since="2000-01-01T00:00:00Z")["items"]) == len(every)
    assert served.call("listEntries", person=EVE)["items"] == []


def test_the_proof_of_the_log_is_of_what_somebody_sees(served):
    found = served.call("verify")
    assert (found["whole"], found["chains"], found["wrong"], found["entries"]) == (True, 1, 0, len(served.facts()))
    assert (served.call("verify", person=EVE)["chains"], served.call("verify", person=EVE)["items"]) == (0, [])


def test_a_person_is_told_who_they_are(served):
    assert served.call("whoami", person=EVE) == {
        "name": "eve",
        "by": Way.TOKEN.value,
        "roles": ["role:viewer"],
        "groups": [],
        "only": ["other/*"],
        "mayAct": False,
    }
    assert served.call("whoami")["mayAct"] is True


# ── projects ─────────────────────────────────────────────────────────────────────────────────────────────────────────

PROJECTS = """\
apiVersion: argoproj.io/v1alpha1
kind: AppProject
metadata: {name: red}
spec:
  description: what is red
  sourceRepos: ['*']
  destinations: [{server: '*', namespace: '*'}]
  roles: [{name: ci, groups: [red-ci], policies: []}]
  syncWindows:
  - {kind: allow, schedule: '* * * * *', duration: 1h, applications: ['*']}
  - {kind: deny, schedule: '0 0 1 1 *', duration: 1m, applications: ['none']}
"""


@pytest.fixture
def in_projects(served, tmp_path):
    """One Application in each of two projects; that of `red` has a problem."""
    path = tmp_path / "projects.yaml"
    path.write_text(PROJECTS)
    file = FollowedFile(path, read_projects, lambda *_: None)
    served.controller.projects = Projects(file, home="gitops", entry=served.controller.registry.entry)
    other = replace(served.app, name="other", project="red", destination=replace(served.app.destination, namespace="x"))
    put(served, other)
    served.until(lambda: served.call("listProjects")["total"] == 2)
    served.until(lambda: [one["problems"] for one in served.call("listProjects")["items"]] == [1, 0])
    return served


def test_projects_are_told_with_how_theirs_are_and_those_with_problems_first(in_projects):
    red, default = in_projects.call("listProjects")["items"]
    assert (red["project"], red["description"], red["defined"], red["limited"], red["applications"]) == (
        "red",
        "what is red",
        True,
        True,
        1,
    )
    assert (default["project"], default["applications"], default["limited"]) == ("default", 1, False)
    assert in_projects.call("listProjects", offset=1)["items"] == [default]
    only = Person("eve", Way.TOKEN, ("role:viewer",), only=("gitops/app",))
    assert in_projects.call("listProjects", person=only)["items"] == [default]
    assert in_projects.call("listProjects", person=EVE)["items"] == []


def test_a_project_is_told_with_its_limits_and_when_its_windows_are_open(in_projects):
    def told(name, person=ADA):
        return in_projects.wait(get_project(Call(in_projects.served, person, "", {"project": name})))

    found = told("red")
    assert (found["limits"]["sourceRepos"], found["roles"][0]["name"]) == (["*"], "ci")
    assert sum(found["sync"].values()) == sum(found["health"].values()) == 1
    allowing, denying = found["syncWindows"]
    assert (allowing["open"], bool(allowing["until"]), allowing["next"]) == (True, True, "")
    assert (denying["open"], denying["until"], denying["next"][5:16]) == (False, "", "01-01T00:00")
    assert told("default")["sync"]["Synced"] == 1
    for name, person in (("blue", ADA), ("red", EVE)):
        with pytest.raises(Problem, match=f"there is no project {name}, or no Application of it that you may see"):
            told(name, person)


# ── what a deletion and a hold come to ───────────────────────────────────────────────────────────────────────────────


def test_what_a_deletion_would_do_is_told_with_who_brings_it_back(served):
    found = served.call("planDeletion")
    assert (found["objects"], found["keep"], found["stays"], found["also"]) == (1, False, "", [])
    assert found["place"] == "the controller's files (test)"
    assert found["broughtBack"].startswith("it comes from the controller's files (test), which this does not change")
    changes = [(change["change"], change["object"]) for step in found["steps"] for change in step["changes"]]
    assert changes == [("prune", "ConfigMap shop/a")]
    assert served.call("planDeletion", keep="true")["keep"] is True


def test_what_takes_data_along_is_only_deleted_when_that_is_confirmed(make):
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data", "namespace": "shop"},
        "spec": spec,
    }
    overseen = make(claim, A)
    overseen.until(lambda: overseen.live(claim) is not None)
    place = {"group": "", "kind": "PersistentVolumeClaim", "namespace": "shop", "object": "data"}
    with pytest.raises(HeldError, match="its data, would be deleted with it; confirm it all the same"):
        overseen.call("delete", **place)
    assert overseen.live(claim) is not None
    assert overseen.call("delete", **place, confirm=True)["note"] == "it is in Git: a sync makes it again"
    assert overseen.live(claim) is None


def test_who_is_nobody_is_told_nothing_that_pods_write(served):
    for operation in ("explain", "getLogs"):
        given = (
            {}
            if operation == "explain"
            else {"group": "apps", "kind": "Deployment", "namespace": "shop", "object": "web"}
        )
        with pytest.raises(Problem) as refused:
            served.call(operation, person=NOBODY, **given)
        assert (refused.value.status, refused.value.title) == (401, "Logs need a token")
    found = served.call("explain")
    assert found["application"] == "gitops/app"
    since = served.controller.records.since("gitops/app")
    assert f"the controller sees it Synced, since {since}" in found["facts"]


def test_an_object_is_told_as_it_is_as_it_is_wanted_and_with_what_can_be_done_to_it(rolled):
    config = {"kind": "ConfigMap", "namespace": "shop", "object": "a"}
    found = rolled.call("getObject", **config)
    assert (found["live"]["data"], found["desired"]["data"], found["change"]) == ({"x": "1"}, {"x": "1"}, "")
    assert (found["madeBy"], found["desiredError"], found["origin"].partition(":")[0]) == ("", "", "all.yaml")
    assert found["acts"] == [{"act": "delete", "why": "", "confirmable": False}]
    assert [one["act"] for one in rolled.call("getObject", **OBJECT)["acts"]] == ["restart", "scale", "delete"]
    for name, why in (("..", "is no name of an object's"), ("none", "gitops/app has no object ConfigMap shop/none")):
        with pytest.raises(Problem, match=why):
            rolled.call("getObject", **{**config, "object": name})


def test_an_object_is_shown_live_where_what_is_desired_cannot_be_had(rolled):
    rolled.source.commit({"all.yaml": "kind: [broken"})
    rolled.until(lambda: rolled.state.problem)
    found = rolled.call("getObject", kind="ConfigMap", namespace="shop", object="a")
    assert (found["live"]["data"], found["desired"]) == ({"x": "1"}, None)
    assert found["desiredError"].startswith("what is desired is not known: all.yaml")


def test_two_releases_are_compared(served):
    served.commit(config_map("a", x="2"))
    served.until(lambda: served.call("getHistory")["releases"][0]["number"] == 2)
    settled(served)
    found = served.call("compareReleases", **{"from": 1, "to": 2})
    (change,) = found["changes"]
    assert (change["change"], change["object"], change["fields"][0]["path"]) == ("update", "ConfigMap shop/a", "data.x")
    assert (found["from"]["number"], found["to"]["number"], found["objects"], found["total"]) == (1, 2, 1, 1)
    assert served.call("compareReleases", **{"from": 2, "to": 2})["changes"] == []
    with pytest.raises(ConfigError, match="has no release 7"):
        served.call("compareReleases", **{"from": 1, "to": 7})


def test_what_waits_is_told_with_since_when(make):
    overseen = make(automated=False)
    overseen.until(lambda: overseen.state.last.response is Response.APPROVAL)
    overseen.let_pass(2)
    found = overseen.call("listWaiting")
    (one,) = found["items"]
    assert (one["application"], one["waitsFor"], one["act"], bool(one["since"])) == (
        "gitops/app",
        "approval",
        "approve",
        True,
    )
    assert (found["total"], found["counts"]["approval"]) == (1, 1)
    assert overseen.call("listWaiting", waitsFor="held")["items"] == []
    assert overseen.call("listWaiting", person=EVE)["total"] == 0
