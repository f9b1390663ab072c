"""A controller tells the outside what happens: each fact once, whatever becomes of it and of the destinations."""

import hashlib
import hmac
import json
from dataclasses import replace

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from gitops.controller.notifications import MAILBOX
from gitops.model.application import Subscription
from gitops.model.notification import mailbox_in
from gitops.server.metrics import Numbers
from gitops.server.webhooks.signatures import is_signed
from tests.scenarios.listener import Listener
from tests.scenarios.running import Running
from tests.scenarios.test_controller import custom_resource, make_kind, resources
from tests.scenarios.test_flux_controller import Flux
from tests.scenarios.world import config_map, deployment

CANARY = "canary-5f1e77"


@pytest.fixture
def listener():
    with Listener() as found:
        yield found


def rules(world, listener, *, facts="", kind="webhook", namespaces="", **more):
    """The operator's file: one destination, and a rule that sends it all, or `facts`."""
    spec = {"name": "hook", "type": kind, "url": f"{listener.url}/{CANARY}", "secretRef": "hook", **more}
    if namespaces:
        spec["namespaces"] = [namespaces]
    found = {"destinations": [spec], "page": "https://gitops.example.com"}
    if facts:
        found["rules"] = [{"destinations": ["hook"], "facts": facts.split()}]
    path = world.folder / "notifications.yaml"
    path.write_text(json.dumps(found))
    return path


def waiting(run):
    """The facts that are kept until they can be delivered."""
    text = run.ask(run.controller.store.setting("gitops/app", MAILBOX))
    return {letter.note.fact for letter in mailbox_in(text).letters} if text else set()


def told(listener):
    return [body["fact"] for body in listener.bodies()]


def running(world, path, **given):
    return Running(
        world, *given.pop("apps", ()), notifications=path, environment={"hook": f"token: {CANARY}-token"}, **given
    )


def test_a_sync_is_told_with_what_a_program_needs_and_signed(world, listener):
    sha = world.commit(settings=config_map("settings", a="1"))
    with running(world, rules(world, listener, facts="synced")) as run:
        run.until(lambda: listener.requests)
    request = listener.requests[0]
    body = request.json
    assert (request.method, request.path) == ("POST", f"/{CANARY}")
    assert is_signed("generic", request.headers, request.body, f"{CANARY}-token")
    assert body["application"] == {"namespace": "gitops", "name": "app"}
    assert (body["fact"], body["severity"], body["revision"]) == ("synced", "info", sha)
    assert body["url"] == "https://gitops.example.com/applications/gitops/app"
    assert request.headers["idempotency-key"] == body["id"]
    assert (
        hmac.new(f"{CANARY}-token".encode(), request.body, hashlib.sha256).hexdigest() in request.headers["x-signature"]
    )


def test_a_restart_tells_nothing_twice_and_loses_nothing(world, listener):
    world.commit(settings=config_map("settings", a="1"))
    path = rules(world, listener, facts="synced drifted")
    with running(world, path) as run:
        run.until(lambda: told(listener) == ["synced"])
    listener.status = 503
    with running(world, path) as run:
        world.commit(settings=config_map("settings", a="2"))
        run.until(lambda: len(listener.requests) >= 2)  # it is tried, and not taken
    failed = listener.requests[1].json["id"]
    listener.requests.clear()
    listener.status = 200
    with running(world, path) as run:
        run.until(lambda: listener.requests)
        world.commit(settings=config_map("settings", a="3"))
        run.until(lambda: len(listener.requests) == 2)
    ids = [body["id"] for body in listener.bodies()]
    assert (ids[0], len(set(ids))) == (failed, 2)


def test_a_destination_that_never_answers_delays_no_sync(world, listener):
    listener.status = 500
    world.commit(settings=config_map("settings", a="1"))
    with running(world, rules(world, listener, facts="started synced")) as run:
        run.until(lambda: world.get("ConfigMap", "settings"))
        sha = world.commit(settings=config_map("settings", a="2"))
        assert run.until_synced(sha) < 10
        run.until(lambda: {"started", "synced"} <= waiting(run))


def test_drift_is_told_and_so_is_a_commit_that_changes_nothing(world, listener):
    sha = world.commit(settings=config_map("settings", a="1"))
    with running(world, rules(world, listener, facts="drifted unchanged"), drift="report") as run:
        run.until_synced(sha)
        (world.repository / "README").write_text("nothing of ours")
        sha = world.commit()
        run.until(lambda: told(listener) == ["unchanged"])
        assert listener.requests[0].json["revision"] == sha
        world.edit("core/configmaps/settings", {"data": {"a": "by hand"}})
        run.until(lambda: told(listener) == ["unchanged", "drifted"])
        assert "data.a" in listener.requests[1].json["reason"]


def test_a_source_that_cannot_be_read_is_told_once_and_so_is_its_end(world, listener, monkeypatch):
    monkeypatch.setattr("gitops.controller.notifications._GRACE_SECONDS", 0.5)
    world.commit(settings=config_map("settings", a="1"))
    hidden = world.repository.with_name("away")
    with running(world, rules(world, listener, facts="source-failed source-recovered")) as run:
        run.until(lambda: world.get("ConfigMap", "settings"))
        world.repository.rename(hidden)
        run.until(lambda: told(listener) == ["source-failed"])
        hidden.rename(world.repository)
        run.until(lambda: told(listener) == ["source-failed", "source-recovered"], 40)


def test_an_application_subscribes_itself_only_where_the_operator_opened_that(world, listener):
    sha = world.commit(settings=config_map("settings", a="1"))
    sync = replace(world.app.sync, automated=True)
    app = replace(world.app, sync=sync, interval=0.3, notifications=(Subscription("hook", ("synced",)),))
    path = rules(world, listener, namespaces="team-*")
    with running(world, path, apps=(app,)) as run:
        run.until_synced(sha)
        run.until(lambda: run.ask(run.controller.store.setting("gitops/app", MAILBOX)))
        path = rules(world, listener, namespaces="gitops")  # the file is read again
        run.until(lambda: run.controller.records.wrong_files == {}, 5)
        run.until(lambda: _opened(run))
        world.commit(settings=config_map("settings", a="2"))
        run.until(lambda: told(listener) == ["synced"])


def _opened(run):
    """Whether the controller has read its file a second time."""
    routes = run.controller.bus._subscribers[-1].__self__._routes[0]
    return routes.settings.destinations[0].namespaces == ("gitops",)


def test_nothing_secret_is_in_the_store_the_log_or_the_metrics(world, listener, capfd):
    listener.status, listener.answer = 400, f"no such hook {CANARY} {CANARY}-token".encode()
    world.commit(settings=config_map("settings", a="1"))
    with running(world, rules(world, listener, facts="synced")) as run:
        run.until(lambda: run.controller.tally.notified.get(("hook", "failed")))
        box = run.ask(run.controller.store.setting("gitops/app", MAILBOX))
        registry = CollectorRegistry()
        registry.register(Numbers(run.controller))
        entries = generate_latest(registry).decode()
    captured = capfd.readouterr()
    for text in (box, entries, captured.out, captured.err):
        assert CANARY not in text
    assert 'gitops_notifications_total{destination="hook",result="failed"} 1.0' in entries
    assert "answered 400: no such hook ..." in captured.err + captured.out


def test_an_alert_of_flux_tells_its_provider(world, listener, monkeypatch):
    monkeypatch.setattr("gitops.adapters.notifiers.sender._REACH", {"own": "anywhere", "flux": "anywhere"})
    flux = Flux(world)
    sha = flux.write(**{"apps/settings": config_map("settings", a="1")})
    names = {"name": "hook", "namespace": world.namespace}
    secret = {"metadata": names, "stringData": {"address": f"{listener.url}/{CANARY}", "token": f"{CANARY}-token"}}
    world.request(
        "POST", f"/api/v1/namespaces/{world.namespace}/secrets", {"apiVersion": "v1", "kind": "Secret", **secret}
    )
    sources = [{"kind": "Kustomization", "name": "*", "matchLabels": {"tier": "web"}}]
    flux.make(
        flux.body("Provider", "hook", {"type": "generic-hmac", "secretRef": {"name": "hook"}}),
        flux.body("Provider", "sentry", {"type": "sentry"}),
        flux.body(
            "Alert", "all", {"providerRef": {"name": "hook"}, "eventSources": sources, "eventMetadata": {"env": "prod"}}
        ),
        flux.source(),
        {
            **flux.kustomization("apps"),
            "metadata": {"name": "apps", "namespace": world.namespace, "labels": {"tier": "web"}},
        },
    )
    with Running(world, flux="all") as run:
        run.until(lambda: listener.requests)
        run.until(lambda: flux.ready("Alert", "all")[0] == "True")
        run.until(lambda: flux.ready("Provider", "sentry")[1].startswith("spec.type: expected one of"))
    (request,) = listener.requests
    body = request.json
    assert is_signed("generic", request.headers, request.body, f"{CANARY}-token")
    assert body["involvedObject"]["name"] == "apps"
    assert (body["reason"], body["metadata"]) == ("ReconciliationSucceeded", {"revision": f"sha1:{sha}", "env": "prod"})


def test_a_rollout_that_fails_is_told_as_failed_then_rolled_back(world, listener):
    world.commit(web=deployment())
    facts = "synced failed rolled-back degraded"
    with running(world, rules(world, listener, facts=facts), timeout=5.0) as run:
        run.until(lambda: told(listener) == ["synced"])
        bad = world.commit(web=deployment(image="nginx:broken"))
        run.until(lambda: "rolled-back" in told(listener), 60)
    assert [fact for fact in told(listener) if fact != "degraded"] == ["synced", "failed", "rolled-back"]
    failed = next(body for body in listener.bodies() if body["fact"] == "failed")
    assert (failed["revision"], "web" in failed["reason"]) == (bad, True)


def test_a_custom_resource_subscribes_by_argo_cds_annotation(world, listener):
    make_kind(world)
    world.commit(settings=config_map("settings"))
    body = custom_resource(world)
    body["metadata"]["annotations"] = {"notifications.argoproj.io/subscribe.on-deployed.hook": ""}
    with running(world, rules(world, listener, namespaces=world.namespace), resources=True) as run:
        world.request("POST", resources(world), body)
        run.until(lambda: told(listener) == ["synced"])
    assert listener.requests[0].json["application"]["namespace"] == world.namespace


def test_what_waits_for_an_approval_is_told_once(world, listener):
    world.commit(settings=config_map("settings", a="1"))
    with running(world, rules(world, listener, facts="approval synced"), automated=False) as run:
        run.until(lambda: told(listener) == ["approval"])
        assert "waits for a sync or an approval" in listener.requests[0].json["reason"]
        run.ask(run.controller.store.request("gitops/app", "sync", {}, "ada", "2026-01-01T00:00:00Z"))
        run.until(lambda: told(listener) == ["approval", "synced"])


def test_what_a_person_says_is_told_with_who_and_why(world, listener):
    sha = world.commit(settings=config_map("settings", a="1"))
    with running(world, rules(world, listener, facts="suspended")) as run:
        run.until_synced(sha)
        done = world.gitops("suspend", "app", "--reason", "moving the database")
        assert done.returncode == 0, done.stderr
        run.until(lambda: told(listener) == ["suspended"])
    assert listener.requests[0].json["reason"] == "moving the database"
    assert listener.requests[0].json["actor"]


def test_an_application_that_is_deleted_is_told_of_though_it_is_gone(world, listener):
    make_kind(world)
    sha = world.commit(settings=config_map("settings"))
    identity = f"{world.namespace}/app"
    with running(world, rules(world, listener, facts="deleted"), resources=True) as run:
        world.request("POST", resources(world), custom_resource(world, finalizers=["gitops.dev/prune"]))
        run.until(lambda: run.tracked(identity))
        run.until_synced(sha, identity)
        world.request("DELETE", resources(world, "app"))
        run.until(lambda: told(listener) == ["deleted"])
        run.until(lambda: run.ask(run.controller.store.setting(identity, MAILBOX)) is None)
