"""An API server, or a proxy before it, that says it cannot answer now: that tells nothing of any object or commit."""

import json
import re
import threading
from collections import Counter

import pytest

from gitops.adapters.kubernetes import http
from gitops.model.errors import ApiError, LostClusterError, UnreachableError
from gitops.model.result import Outcome
from tests.hostile.proxy import Answer, as_json
from tests.scenarios.running import Running, of
from tests.scenarios.test_hooks import OURS, hook
from tests.scenarios.world import config_map, deployment


def status(code, reason, message, **headers):
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason}
    return as_json({**body, "message": message}, code)._replace(headers={"Content-Type": "application/json", **headers})


TROUBLE = {
    "a proxy": Answer(503, b"<html>\n<h1>no backend</h1>\n</html>", {"Content-Type": "text/html"}),
    "its store": status(500, "InternalError", "etcdserver: request timed out"),
    "its end": status(503, "ServiceUnavailable", "apiserver is shutting down"),
    "its load": status(429, "TooManyRequests", "slow down", **{"Retry-After": "0"}),
    "odd words": status(429, "TooManyRequests", "slow down", **{"Retry-After": "\u00b2"}),
}
everywhere = pytest.mark.parametrize("answer", TROUBLE.values(), ids=TROUBLE)


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(http, "_FIRST_DELAY", 0.01)


def facts(world):
    return [event.fact for event in world.audit()]


def is_write(method, path):
    return method != "GET" and "dryRun" not in path


class From:
    """Spoils every answer from the first request on that is `of` this kind."""

    def __init__(self, answer, of):
        self._answer, self._of, self._is_on = answer, of, False

    def __call__(self, method, path, true):
        self._is_on = self._is_on or self._of(method, path)
        return self._answer if self._is_on else None


@everywhere
def test_a_server_in_trouble_while_a_plan_is_made_changes_nothing_and_holds_nothing(world, proxy, answer):
    world.commit(settings=config_map("settings"))
    world.sync()
    world.commit(settings=config_map("settings", a="2"))
    proxy.spoil = From(answer, lambda method, path: "dryRun" in path)
    with pytest.raises(UnreachableError, match="does not work now") as raised:
        world.sync()
    assert "\n" not in str(raised.value)
    proxy.spoil = lambda method, path, true: None
    assert facts(world)[-1] == "sync.finished"
    assert world.sync().outcome is Outcome.SYNCED


@everywhere
def test_a_server_in_trouble_in_the_middle_of_a_sync_fails_no_commit(world, proxy, answer):
    world.commit(web=deployment(), settings=config_map("settings"))
    world.sync()
    world.commit(web=deployment(image="nginx:1.27"), settings=config_map("settings", a="2"))
    proxy.spoil = From(answer, lambda method, path: is_write(method, path) and "/deployments/" in path)
    with pytest.raises(LostClusterError, match=r"does not work now.*nothing was rolled back: sync again when"):
        world.sync()
    proxy.spoil = lambda method, path, true: None
    assert facts(world)[-1] == "sync.interrupted"
    assert "rollback.started" not in facts(world)
    assert world.sync().outcome is Outcome.SYNCED
    assert world.inventory().quarantine is None
    world.check_audit()


def test_the_time_that_a_server_is_in_trouble_does_not_count_for_a_rollout(world, proxy):
    world.commit(web=deployment())
    world.sync()
    slow = deployment(image="nginx:1.27")
    slow["spec"]["minReadySeconds"] = 10  # two and a half seconds, here, for each of two Pods
    world.commit(web=slow)
    proxy.spoil = From(TROUBLE["a proxy"], lambda method, path: method == "GET" and "/deployments?" in path)
    mending = threading.Timer(3.0, lambda: setattr(proxy, "spoil", lambda method, path, true: None))
    mending.start()
    result = world.sync(world.with_sync(timeout=4.0))
    mending.join()
    assert (result.outcome, result.message) == (Outcome.SYNCED, "")


def test_an_error_of_one_object_is_no_trouble_of_the_server(world, proxy):
    webhook = 'Internal error occurred: failed calling webhook "x.example.com": connection refused'
    world.commit(web=deployment(), settings=config_map("settings"))
    world.sync()
    world.commit(settings=config_map("settings", a="2"))
    refused = status(500, "InternalError", webhook)
    proxy.spoil = lambda method, path, true: refused if "dryRun" in path else None
    result = world.sync()
    assert (result.outcome, 'webhook "x.example.com" does not answer: conn' in result.message) == (Outcome.HELD, True)


def test_a_webhook_that_does_not_answer_is_named_and_asked_again_soon(world, proxy):
    said = (
        'Internal error occurred: failed calling webhook "x.example.com": failed to call webhook: '
        'Post "https://hooks.default.svc:443/": dial tcp: connection refused'
    )
    first = world.commit(settings=config_map("settings"))
    with Running(world) as running:
        running.until_synced(first)
        refused = status(500, "InternalError", said)
        proxy.spoil = lambda method, path, true: refused if "dryRun" in path else None
        second = world.commit(settings=config_map("settings", a="2"))
        running.until(lambda: "x.example.com" in str(running.tracked().last.held), 10)
        (reason,) = running.tracked().last.held
        assert re.search(r'the webhook "x.example.com" does not answer.*connection refused', reason)
        proxy.spoil = lambda method, path, true: None
        running.until_synced(second, seconds=12)


def test_a_webhook_that_does_not_answer_in_the_middle_of_a_sync_fails_no_commit(world, proxy):
    world.commit(web=deployment(), settings=config_map("settings"))
    world.sync()
    world.commit(web=deployment(image="nginx:1.27"), settings=config_map("settings", a="2"))
    said = 'Internal error occurred: failed calling webhook "x.example.com": failed to call webhook: refused'
    refused = status(500, "InternalError", said)
    proxy.spoil = lambda method, path, true: refused if is_write(method, path) and "/deployments/" in path else None
    result = world.sync()
    assert result.outcome is Outcome.FAILED
    assert 'the webhook "x.example.com" does not answer: refused (not rolled back: a webhook does' in result.message
    proxy.spoil = lambda method, path, true: None
    assert world.inventory().quarantine is None
    assert world.sync().outcome is Outcome.SYNCED


FORBIDDEN = status(
    403, "Forbidden", 'configmaps "gitops-app" is forbidden: User "ada" cannot get resource "configmaps"'
)


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (FORBIDDEN, ApiError, r'all was applied, but that cannot be recorded; sync again when it can be: configmaps "'),
        (TROUBLE["its store"], LostClusterError, "the sync was cut short"),
    ],
    ids=["a right that is gone", "trouble"],
)
def test_a_sync_that_cannot_record_what_it_did_says_so_and_the_next_one_does(world, proxy, answer, error, message):
    world.commit(web=deployment())
    world.sync()
    world.commit(web=deployment(image="nginx:1.27"))
    written = []

    def spoil(method, path, true):
        written.extend([path] if is_write(method, path) and "/deployments/" in path else [])
        return answer if written and "/configmaps/gitops-app" in path else None

    proxy.spoil = spoil
    with pytest.raises(error, match=message):
        world.sync()
    proxy.spoil = lambda method, path, true: None
    last = world.audit()[-1]
    assert (last.fact, last.detail["changed"]) == (
        "sync.interrupted",
        [f"updated apps/Deployment {world.namespace}/web"],
    )
    assert world.sync().outcome is Outcome.SYNCED
    assert world.inventory().healthy.digest == world.inventory().synced
    world.check_audit()


def test_a_sync_whose_inventory_may_not_be_written_changes_nothing_and_says_why(world, proxy):
    world.commit(settings=config_map("settings"))
    world.sync()
    world.commit(settings=config_map("settings", a="2"))
    proxy.spoil = lambda method, path, true: FORBIDDEN if is_write(method, path) and "gitops-app" in path else None
    with pytest.raises(
        ApiError, match=r"nothing was changed, since what is to be owned cannot be recorded first: conf"
    ):
        world.sync()
    proxy.spoil = lambda method, path, true: None
    assert facts(world)[-1] == "sync.interrupted"
    assert world.get("ConfigMap", "settings")["data"] == {"a": "1"}
    assert world.sync().outcome is Outcome.SYNCED


def test_a_right_that_is_taken_away_in_the_middle_fails_no_commit(world, proxy):
    world.commit(web=deployment(), settings=config_map("settings"))
    world.sync()
    world.commit(web=deployment(image="nginx:1.27"), settings=config_map("settings", a="2"))
    told = 'deployments.apps "web" is forbidden: User "ada" cannot patch resource "deployments" in API group "apps"'
    refused = status(403, "Forbidden", told)
    proxy.spoil = lambda method, path, true: refused if is_write(method, path) and "/deployments/" in path else None
    result = world.sync()
    assert result.outcome is Outcome.FAILED
    assert f"{told} (not rolled back: a right is missing" in result.message
    proxy.spoil = lambda method, path, true: None
    assert (facts(world)[-1], world.inventory().quarantine) == ("sync.failed", None)
    assert world.sync().outcome is Outcome.SYNCED


def gear_in(world, teeth=1):
    """A Gear of the world's own group, which is defined first."""
    group = f"{world.namespace}.example.com"
    names = {"plural": "gears", "singular": "gear", "kind": "Gear", "listKind": "GearList"}
    schema = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
    versions = [{"name": "v1", "served": True, "storage": True, "schema": schema}]
    spec = {"group": group, "scope": "Namespaced", "names": names, "versions": versions}
    body = {"metadata": {"name": f"gears.{group}"}, "spec": spec}
    if teeth == 1:
        world.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", body)
    return group, {
        "apiVersion": f"{group}/v1",
        "kind": "Gear",
        "metadata": {"name": "g"},
        "spec": {"teeth": teeth},
    }


def test_an_api_group_that_is_not_served_now_is_the_trouble_of_who_needs_it_alone(world, proxy, lines):
    group, gear = gear_in(world)
    first = world.commit(gear=gear, settings=config_map("settings"))

    def spoil(method, path, true):
        if (method, path, true.status) != ("GET", "/apis", 200):
            return None
        found = json.loads(true.body)
        for item in found["items"]:
            if item["metadata"]["name"] == group:
                item["versions"] = [{"version": "v1", "freshness": "Stale", "resources": []}]
        return as_json(found)._replace(headers=true.headers)

    with Running(world) as running:
        running.until_synced(first)
    proxy.spoil = spoil
    with Running(world) as running:
        second = world.commit(gear=gear_in(world, 2)[1], settings=config_map("settings"))
        running.until(lambda: "its API does not answer" in running.tracked().problem)
        assert not running.tracked().last.is_away
        proxy.spoil = lambda method, path, true: None
        running.until_synced(second, seconds=40)
    assert of(lines, "cluster.unreachable") == []
    assert any(group in line["error"] for line in of(lines, "pass.failed"))


@pytest.mark.parametrize("where", ["dryRun", "/gears"])
def test_an_api_group_that_answers_503_is_named(world, proxy, where):
    group, gear = gear_in(world)
    world.commit(gear=gear)
    world.sync()
    world.commit(gear=gear_in(world, 2)[1])
    away = status(503, "ServiceUnavailable", "no endpoints")
    proxy.spoil = lambda method, path, true: away if f"/apis/{group}/" in path and where in path else None
    try:
        said = world.sync().message
    except ApiError as error:
        said = str(error)
    assert f"{group} does not answer now (HTTP 503): no endpoints" in said


def allow_no_jobs(world):
    body = {"metadata": {"name": "none"}, "spec": {"hard": {"count/jobs.batch": "0"}}}
    world.request("POST", f"/api/v1/namespaces/{world.namespace}/resourcequotas", body)


def test_a_hook_whose_last_run_had_to_go_and_whose_next_is_refused_says_that_it_went(world):
    migrate = hook(OURS, "pre")
    world.commit(migrate=migrate, settings=config_map("settings"))
    world.sync()
    world.commit(migrate=migrate, settings=config_map("settings", a="2"))
    allow_no_jobs(world)
    result = world.sync()
    job = f"batch/Job {world.namespace}/migrate"
    assert result.outcome is Outcome.FAILED
    assert result.message.endswith(f" (nothing else was changed); done before: deleted {job}")
    assert (world.get("Job", "migrate", "batch"), world.inventory().quarantine) == (None, None)
    assert world.get("ConfigMap", "settings")["data"] == {"a": "1"}


def test_a_hook_that_is_refused_after_other_objects_says_what_was_applied(world):
    world.commit(settings=config_map("settings"))
    world.sync(world.with_sync(rollback="never"))
    first = config_map("first")
    first["metadata"]["annotations"] = {"gitops.dev/wave": "-1"}
    world.commit(migrate=hook(OURS, "sync"), first=first, settings=config_map("settings", a="2"))
    allow_no_jobs(world)
    result = world.sync(world.with_sync(rollback="never"))
    names = ("created ConfigMap", "first"), ("updated ConfigMap", "settings")
    done = ", ".join(f"{what} {world.namespace}/{name}" for what, name in names)
    assert result.message.endswith(f" (not rolled back: sync.rollback is never); done before: {done}")


def test_a_namespace_that_was_made_is_told_where_nothing_else_could_be(world, proxy):
    world.commit(settings=config_map("settings"))
    proxy.spoil = lambda method, path, true: FORBIDDEN if is_write(method, path) and "/configmaps" in path else None
    with pytest.raises(ApiError, match=f"nothing but Namespace {world.namespace} was made, since what is to be owned"):
        world.sync()
    assert world.request("GET", f"/api/v1/namespaces/{world.namespace}")["status"]["phase"] == "Active"


@pytest.mark.parametrize("where", ["/configmaps/settings", "/configmaps/gitops-app"])
@pytest.mark.parametrize("act", ["deleted", "forgotten"])
def test_a_deletion_that_is_cut_short_says_so_wherever_and_the_next_one_ends_it(world, proxy, act, where):
    world.commit(settings=config_map("settings"))
    world.sync()
    words = ["delete", "gitops/app", "-n", world.namespace, *(["--keep"] if act == "forgotten" else [])]
    is_reached = []

    def spoil(method, path, true):  # what the request did is not known any more
        is_it = method == "DELETE" or (method == "PATCH" and act == "forgotten")
        is_reached.extend([path] if is_it and f"{where}?" in f"{path}?" else [])
        return TROUBLE["a proxy"] if is_reached else None

    proxy.spoil = spoil
    cut = world.gitops(*words)
    assert (cut.returncode, cut.stderr.count("Error:")) == (4, 1), cut.stderr
    assert "the deletion was cut short: delete it again when the cluster answers" in cut.stderr
    proxy.spoil = lambda method, path, true: None
    assert facts(world)[-1] in ("delete.failed", "sync.interrupted")
    again = world.gitops(*words)
    assert again.returncode in ((0,) if where.endswith("settings") else (0, 2)), again.stderr
    assert (world.get("ConfigMap", "settings") is None) is (act == "deleted")
    assert world.get("ConfigMap", "gitops-app") is None


def test_an_apply_that_another_write_came_in_between_is_sent_again(world, proxy):
    world.commit(web=deployment())
    world.sync()
    world.commit(web=deployment(image="nginx:1.27"))
    told = 'Operation cannot be fulfilled on deployments.apps "web": the object has been modified; please apply your '
    moved, sent = status(409, "Conflict", f"{told}changes to the latest version and try again"), Counter()

    def spoil(method, path, true):
        sent[path] += method == "PATCH" and "/deployments/web" in path
        return moved if method == "PATCH" and 0 < sent[path] <= 2 else None

    proxy.spoil = spoil
    assert world.sync().outcome is Outcome.SYNCED
    assert set(sent.values()) >= {3}


def test_a_conflict_about_an_object_that_is_called_fluid_is_no_sign_that_it_is_gone(world, proxy):
    world.commit(a=config_map("a"), fluid=config_map("fluid"))
    world.sync()
    world.commit(fluid=None)
    refused = status(409, "Conflict", 'Operation cannot be fulfilled on configmaps "fluid": it is looked after')
    proxy.spoil = lambda method, path, true: refused if method == "DELETE" else None
    result = world.sync()
    assert (result.outcome, "it is looked after" in result.message) == (Outcome.FAILED, True)


def test_an_answer_that_breaks_off_is_told_in_plain_words(world, proxy):
    world.commit(settings=config_map("settings"))
    proxy.spoil = lambda method, path, true: Answer(200, b"{", {"Content-Length": "9"}, then=lambda: b"")
    with pytest.raises(UnreachableError, match=r"^http://[\w.:]+: the answer broke off$"):
        world.sync()
