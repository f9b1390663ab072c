"""What always holds, whatever sequence of applies, updates and patches comes: made up by hypothesis."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gitops.manifests import fields, structured_merge
from gitops.manifests.schema import Type, type_of
from gitops.manifests.typed import field_set, same
from gitops.manifests.typed_merge import merge
from tests.scenarios.api import MERGE, Api
from tests.soak import IS_SHARE, examples

DEPLOYMENT = type_of("apps/v1", "Deployment")
MANAGERS = ("one", "two", "three")

names = st.sampled_from(["a", "b", "c"])
texts = st.sampled_from(["x", "y", "z"])
variables = st.lists(
    st.fixed_dictionaries({"name": names, "value": texts}), max_size=3, unique_by=lambda item: item["name"]
)
containers = st.lists(
    st.fixed_dictionaries(
        {"name": names}, optional={"image": texts, "args": st.lists(texts, max_size=2), "env": variables}
    ),
    max_size=3,
    unique_by=lambda item: item["name"],
)
maps = st.dictionaries(names, texts, max_size=3)


@st.composite
def desired(draw):
    """A partial Deployment, as a manager might apply it."""
    metadata = {"name": "web"}
    for part in ("labels", "annotations"):
        if draw(st.booleans()):
            metadata[part] = draw(maps)
    if draw(st.booleans()):
        metadata["finalizers"] = draw(st.lists(st.sampled_from(["e.com/a", "e.com/b"]), unique=True))
    spec = {"template": {"spec": {"containers": draw(containers)}}} if draw(st.booleans()) else {}
    if draw(st.booleans()):
        spec["replicas"] = draw(st.integers(0, 3))
    if draw(st.booleans()):
        spec["selector"] = {"matchLabels": draw(maps)}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec}


steps = st.lists(st.tuples(st.sampled_from(MANAGERS), st.booleans(), st.booleans(), desired()), min_size=1, max_size=8)


def play(sequence):
    """The object after each step; an applier may be refused, an updater writes its object over what is there."""
    live = None
    for number, (manager, force, is_update, body) in enumerate(sequence):
        now = f"2026-01-01T00:00:{number:02}Z"
        if is_update and live is not None:
            written = merge(without_managers(live), body, DEPLOYMENT)
            live = structured_merge.update(live, written, manager=manager, now=now)
        else:
            outcome = structured_merge.apply(live, body, manager=manager, now=now, force=force)
            live = live if outcome.conflicts else outcome.body
        if live is not None:
            yield live, manager, body


def without_managers(body):
    return {**body, "metadata": {key: value for key, value in body["metadata"].items() if key != "managedFields"}}


def owned_by_anybody(body):
    owned = {}
    for entry in body["metadata"].get("managedFields", ()):
        owned = fields.union(owned, entry["fieldsV1"])
    return owned


def check_applying_twice(sequence):
    for live, manager, body in play(sequence):
        once = structured_merge.apply(live, body, manager=manager, now="2027-01-01T00:00:00Z", force=True).body
        assert structured_merge.apply(once, body, manager=manager, now="2028-01-01T00:00:00Z", force=True).body is once


def check_managers_describe_the_object(sequence):
    """Every owned field is there: nobody owns what is not."""
    for live, _, _ in play(sequence):
        there = present(without_managers(live), DEPLOYMENT)
        for entry in live["metadata"].get("managedFields", ()):
            assert not fields.difference(entry["fieldsV1"], there), (entry, live)


def present(value, kind: Type):
    """Every field and item of a value, parents included, empty maps and lists too."""
    out = field_set(value, kind)
    if isinstance(value, dict) and kind.kind != "scalar" and not kind.atomic:
        for name, child in value.items():
            inner = kind.child(name)
            below = present(child, inner) if inner is not None else {}
            out = fields.union(out, {"f:" + name: {".": {}, **below} if below else {}})
    elif isinstance(value, list) and not kind.atomic and kind.kind == "list":
        from gitops.manifests.typed import item_element

        for item in value:
            below = present(item, kind.element)
            out = fields.union(out, {item_element(item, kind): {".": {}, **below} if below else {}})
    return out


def check_unowned_fields_stay(sequence):
    """An apply changes no field that somebody else owns alone, unless it is forced or removes the object's item."""
    previous = None
    for live, _manager, body in play(sequence):
        if previous is not None:
            applied = structured_merge.apply(previous, body, manager="newcomer", now="2027-01-01T00:00:00Z")
            if not applied.conflicts:
                merged = merge(without_managers(previous), body, DEPLOYMENT)
                assert same(without_managers(applied.body), merged)
        previous = live


CHECKS = (check_applying_twice, check_managers_describe_the_object, check_unowned_fields_stay)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_it_holds_for_short_sequences(check):
    settings(max_examples=60, deadline=None, derandomize=True)(given(steps)(check))()


@pytest.mark.soak
@pytest.mark.timeout(4000)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__.removeprefix("check_"))
def test_it_holds_for_very_many_sequences(check):
    quiet = (HealthCheck.too_slow, HealthCheck.data_too_large)
    settings(max_examples=examples(20_000), deadline=None, derandomize=IS_SHARE, suppress_health_check=quiet)(
        given(steps)(check)
    )()


def replayed(lines):
    """What a list must be after these watch events."""
    state = {}
    for line in lines:
        event = json.loads(line)
        name = event["object"]["metadata"]["name"]
        if event["type"] == "DELETED":
            state.pop(name, None)
        else:
            state[name] = event["object"]
    return state


actions = st.lists(st.tuples(st.sampled_from(["apply", "patch", "delete"]), names, maps), min_size=1, max_size=25)


@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions)
def test_replaying_a_watch_gives_the_list(sandbox, sequence):
    api = Api(sandbox)
    path = f"/api/v1/namespaces/{api.namespace('replay')}/configmaps"
    api("DELETE", path)
    _, before = api.get(path)
    for action, name, data in sequence:
        if action == "apply":
            body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
            api.apply(f"{path}/{name}", body, force="true")
        elif action == "patch":
            api("PATCH", f"{path}/{name}", {"data": data}, type=MERGE)
        else:
            api("DELETE", f"{path}/{name}")
    _, after = api.get(path)
    version = before["metadata"]["resourceVersion"]
    with api.open("GET", path, watch=1, resourceVersion=version, timeoutSeconds=1) as response:
        changes = [] if after["metadata"]["resourceVersion"] == version else read_until(response, after)
    start = {item["metadata"]["name"]: item for item in before["items"]}
    state = {**start, **replayed(changes)}
    for line in changes:
        event = json.loads(line)
        if event["type"] == "DELETED" and event["object"]["metadata"]["name"] not in replayed(changes):
            state.pop(event["object"]["metadata"]["name"], None)
    wanted = {item["metadata"]["name"]: item for item in after["items"]}
    shown = {
        name: {key: value for key, value in body.items() if key not in ("kind", "apiVersion")}
        for name, body in state.items()
    }
    assert shown == wanted


def read_until(response, listed):
    """The events up to the list's version, or to the end of the stream."""
    lines = []
    for line in response:
        lines.append(line)
        if json.loads(line)["object"]["metadata"]["resourceVersion"] == listed["metadata"]["resourceVersion"]:
            break
    return lines
