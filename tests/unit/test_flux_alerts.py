"""Flux's Alerts and Providers: what they say is acted on, or refused by the field's path."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gitops.adapters.notifiers.sender import FORMATS
from gitops.compat.flux.alerts import TYPES, read_alert, read_provider
from gitops.compat.flux.objects import Ref
from gitops.compat.flux.reading import read
from gitops.controller.flux_alerts import FluxAlerts
from gitops.model.application import Application
from gitops.model.notification import Notification

APP = Application("apps", "team", labels={"tier": "web"})
NOTE = Notification(
    "1", "failed", "2026-01-01T00:00:00.000Z", "team/apps", reason="no room", object="Kustomization/team/apps"
)


def body(kind, spec, name="x", namespace="team"):
    metadata = {"name": name, "namespace": namespace, "uid": "0c9c2e41-d2f9", "generation": 3}
    return {"apiVersion": "notification.toolkit.fluxcd.io/v1beta3", "kind": kind, "metadata": metadata, "spec": spec}


def provider(**spec):
    return body("Provider", {"type": "slack", "address": "https://hooks.example.com/x", **spec}, "chat")


def alert(*sources, name="x", namespace="team", **spec):
    found = list(sources) or [{"kind": "Kustomization", "name": "*"}]
    return body("Alert", {"providerRef": {"name": "chat"}, "eventSources": found, **spec}, name, namespace)


def routes(*bodies, cross=True, sources=frozenset()):
    said = {}
    found = FluxAlerts(
        lambda _: sources, lambda key, _, reason: said.setdefault(str(key), reason), cross_namespace=cross
    )
    found.put(list(bodies))
    return found, said


def told(*bodies, note=NOTE, app=APP, **given_):
    return set(routes(*bodies, **given_)[0].texts(app, note))


def test_every_type_that_is_taken_has_a_form():
    assert set(TYPES.values()) <= set(FORMATS)


def test_a_provider_is_a_destination_with_the_secrets_of_its_namespace():
    found, answer = read_provider(
        provider(
            channel="ops",
            username="flux",
            secretRef={"name": "s"},
            certSecretRef={"name": "c"},
            proxySecretRef={"name": "p"},
        )
    )
    assert answer.reasons == ()
    assert (found.spec.type, found.spec.url, found.spec.channel, found.spec.secretRef) == (
        "slack",
        "https://hooks.example.com/x",
        "ops",
        "s",
    )
    assert (found.secrets_in, found.style, found.uid, found.username) == ("team", "flux", "0c9c2e41-d2f9", "flux")
    assert (found.trust_ref, found.proxy_ref) == ("c", "p")


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"type": "sentry"}, "spec.type: expected one of slack, "),
        ({"commitStatusExpr": "'x'"}, "spec.commitStatusExpr: a status is called KIND/NAME/UID"),
        ({"serviceAccountName": "x"}, "spec.serviceAccountName: "),
        ({"colour": "red"}, "spec.colour: gitops knows no such field here"),
        ({"address": 1}, "spec.address: expected text"),
    ],
)
def test_what_a_provider_asks_in_vain_is_refused_by_its_path(spec, reason):
    place, answer = read_provider(provider(**spec))
    assert place is None
    assert answer.reasons[0].startswith(reason)
    assert read(provider(**spec), None).reasons == answer.reasons


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"inclusionList": ["("]}, "spec.inclusionList: '(' is no regular expression"),
        ({"exclusionList": ["a" * 2000]}, "spec.exclusionList: expected at most"),
        ({"eventSeverity": "debug"}, "spec.eventSeverity: expected one of info, error"),
        ({"eventMetadata": {"a": 1}}, "spec.eventMetadata: expected a map of text"),
        ({"providerRef": None}, "spec.providerRef: it is missing"),
        ({"eventSources": [{"kind": "Kustomization", "name": "*", "filter": "x"}]}, "spec.eventSources[].filter: "),
    ],
)
def test_what_an_alert_asks_in_vain_is_refused_by_its_path(spec, reason):
    assert read_alert(alert(**spec))[1].reasons[0].startswith(reason)


def test_an_alert_tells_of_the_objects_that_it_names():
    assert told(provider(), alert()) == {"alert/team/x"}
    for source, is_told in (
        ({"kind": "Kustomization", "name": "apps"}, True),
        ({"kind": "Kustomization", "name": "other"}, False),
        ({"kind": "HelmRelease", "name": "*"}, False),
        ({"kind": "Kustomization", "name": "*", "namespace": "elsewhere"}, False),
        ({"kind": "Kustomization", "name": "*", "matchLabels": {"tier": "web"}}, True),
        ({"kind": "Kustomization", "name": "*", "matchLabels": {"tier": "db"}}, False),
    ):
        assert bool(told(provider(), alert(source))) is is_told, source


def test_a_source_is_told_of_by_what_is_made_from_it():
    made_from = frozenset((Ref("GitRepository", "team", "repo"),))
    source = {"kind": "GitRepository", "name": "repo"}
    assert told(provider(), alert(source), sources=made_from) == set()
    note = replace(NOTE, fact="source-failed")
    assert told(provider(), alert(source), sources=made_from, note=note) == {"alert/team/x"}


def test_severity_and_lists_choose_what_is_told():
    healthy = replace(NOTE, fact="healthy")
    assert told(provider(), alert(), note=healthy)
    assert not told(provider(), alert(eventSeverity="error"), note=healthy)
    assert told(provider(), alert(eventSeverity="error"))
    assert told(provider(), alert(inclusionList=["no (room|disk)"]))
    assert not told(provider(), alert(inclusionList=["quota"]))
    assert not told(provider(), alert(exclusionList=[".*no room.*"]))


def test_a_room_hears_no_beginning_and_a_commit_no_health():
    assert not told(provider(), alert(), note=replace(NOTE, fact="started"))
    git = provider(type="github", address="https://github.com/acme/fleet")
    assert told(git, alert(), note=replace(NOTE, fact="started"))
    assert not told(git, alert(), note=replace(NOTE, fact="degraded"))


def test_what_is_suspended_tells_nothing():
    assert not told(provider(), alert(suspend=True))
    assert not told(provider(suspend=True), alert())


def test_metadata_and_summary_are_the_alerts_own():
    found, _ = routes(provider(), alert(eventMetadata={"env": "prod"}, summary="all"), alert(name="y"))
    assert found.place("alert/team/x").metadata == {"env": "prod", "summary": "all"}
    assert found.place("alert/team/y").metadata == {}
    assert found.place("alert/team/z") is None


def test_each_object_is_told_why_it_is_not_acted_on():
    _, said = routes(provider(type="sentry"), alert(), alert(name="y", providerRef={"name": "none"}))
    assert said["notification.toolkit.fluxcd.io/Provider team/chat"].startswith("spec.type: expected one of")
    assert said["notification.toolkit.fluxcd.io/Alert team/x"].startswith(
        "spec.providerRef: the Provider chat is refused: spec.type"
    )
    assert (
        said["notification.toolkit.fluxcd.io/Alert team/y"] == "spec.providerRef: no Provider none is in this namespace"
    )


def test_an_alert_uses_the_provider_of_its_own_namespace_alone():
    assert told(provider(), alert(namespace="other")) == set()


def test_other_namespaces_are_named_only_where_that_is_allowed():
    abroad = alert({"kind": "Kustomization", "name": "*", "namespace": "team"}, namespace="watch")
    chat = body("Provider", {"type": "slack", "address": "https://x"}, "chat", "watch")
    assert told(chat, abroad) == {"alert/watch/x"}
    found, said = routes(chat, abroad, cross=False)
    assert found.texts(APP, NOTE) == {}
    assert "--no-cross-namespace-refs" in said["notification.toolkit.fluxcd.io/Alert watch/x"]


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "kind", "a"]), inner, max_size=3)
    ),
    max_leaves=6,
)
FIELDS = [
    "type",
    "address",
    "providerRef",
    "eventSources",
    "inclusionList",
    "eventMetadata",
    "summary",
    "suspend",
    "secretRef",
]


@given(st.dictionaries(st.sampled_from(FIELDS), ANYTHING), st.sampled_from(["Alert", "Provider"]))
def test_no_value_of_a_field_is_a_fault(spec, kind):
    found, _ = routes(provider(), body(kind, spec))
    found.texts(APP, NOTE)
