"""What cannot be planned, or is refused: one message that names the place, and nothing half done."""

from dataclasses import replace

import pytest

from gitops.model.application import PolicyOptions
from gitops.model.errors import ConfigError, ManifestError, SourceError
from gitops.model.result import Outcome
from tests.scenarios.world import config_map, deployment, refused


def test_a_refused_object_leaves_its_step_undone_as_a_whole(world):
    world.commit(good=config_map("good"), bad=config_map("Not_A_Name"))
    result = world.sync()
    assert result.outcome is Outcome.FAILED
    assert "bad.yaml:1" in result.message
    assert world.get("ConfigMap", "good") is None


def test_a_namespace_that_is_missing_is_an_error_when_nobody_makes_it(world):
    world.commit(web=config_map("web"))
    with pytest.raises(ConfigError, match=f"namespace {world.namespace} does not exist"):
        world.sync(world.with_sync(createNamespace=False))


@pytest.mark.parametrize(
    ("files", "error", "message"),
    [
        ({"a": "a: [\n"}, ManifestError, r"a\.yaml:2"),
        ({"a": "apiVersion: v1\nmetadata: {name: x}\n"}, ManifestError, r"a\.yaml:1: kind"),
        ({"a": config_map("x"), "b": config_map("x")}, ManifestError, r"b\.yaml:1: .* twice; .* a\.yaml:1"),
        (
            {"a": "apiVersion: example.com/v9\nkind: Nothing\nmetadata: {name: x}\n"},
            ManifestError,
            r"a\.yaml:1: kind Nothing in example\.com/v9 is not known",
        ),
        (
            {"a": "apiVersion: v1\nkind: Deployment\nmetadata: {name: x}\n"},
            ManifestError,
            r"Deployment in v1 is not known to the cluster; there is one in apps",
        ),
        (
            {"a": "apiVersion: v1\nkind: ConfigMap\nmetadata: {generateName: x-}\n"},
            ManifestError,
            r"a\.yaml:1: metadata\.generateName: only hooks",
        ),
        (
            {"a": "apiVersion: v1\nkind: Secret\nmetadata: {name: x}\nstringData: {conf.yaml: {password: hunter2}}\n"},
            ManifestError,
            r"a\.yaml:1: Secret x: stringData\.conf\.yaml: expected text, got a map; write `\|` after the colon",
        ),
    ],
)
def test_what_cannot_be_planned_names_the_file_and_changes_nothing(world, files, error, message):
    world.commit(**files)
    with pytest.raises(error, match=message):
        world.sync()
    assert world.get("Namespace", world.namespace, namespace="") is None


def test_an_unknown_branch_and_a_missing_path_are_source_errors(world):
    world.commit(web=config_map("web"))
    with pytest.raises(SourceError, match="did you mean main"):
        world.sync(replace(world.app, source=replace(world.app.source, targetRevision="mian")))
    with pytest.raises(SourceError, match="nowhere"):
        world.sync(replace(world.app, source=replace(world.app.source, path="nowhere")))


def test_a_broken_policy_holds_a_sync_and_names_the_field(world):
    world.commit(web=deployment(image="nginx"))
    app = replace(world.app, policies=PolicyOptions(enforce=("no-latest-tag",), warn=("require-limits",)))
    held = world.sync(app, confirm=True)
    assert held.outcome is Outcome.HELD
    assert "web.yaml:1: apps/Deployment" in held.message
    assert "spec.template.spec.containers[name=web].image" in held.message
    assert "requests" not in held.message, "a warning does not hold"
    assert world.get("Namespace", world.namespace, namespace="") is None


@pytest.mark.parametrize("name", ["..", ".", "../../../namespaces/default", "a%2f..", "a/status"])
def test_a_name_that_leads_to_another_object_is_refused(world, name):
    world.commit(bad=config_map(name))
    with pytest.raises(ManifestError, match=r"metadata\.name"):
        world.plan()


def _definition(spec):
    kind = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
    return {**kind, "metadata": {"name": "widgets.example.com"}, "spec": spec}


@pytest.mark.parametrize(
    "body",
    [
        _definition([1]),
        _definition({"group": "x.y", "names": {"kind": "A", "plural": "as"}, "versions": [1]}),
        _definition({"group": "x.y", "names": "x", "versions": 3}),
        _definition({"group": ["x"], "names": {"kind": {}, "plural": "as"}, "versions": [{"served": True}]}),
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": ["a"]},
        {**config_map("c"), "metadata": {"name": "c", "annotations": {"argocd.argoproj.io/sync-options": None}}},
        {**config_map("c"), "metadata": {"name": "c", "annotations": {"gitops.dev/hook-delete-policy": None}}},
    ],
)
def test_a_manifest_of_wrong_types_is_answered_and_not_crashed_on(world, body):
    world.commit(bad=body)
    world.sync()
    assert world.sync().outcome in (Outcome.FAILED, Outcome.HELD, Outcome.IN_SYNC)


@pytest.mark.parametrize("containers", [5, [{"name": "a", "securityContext": "x"}]])
def test_an_enforced_rule_holds_what_it_cannot_judge(world, containers):
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": containers}}
    world.commit(bad=pod)
    policies = PolicyOptions(enforce=("pod-security-baseline", "require-limits", "pinned-images"))
    assert world.sync(replace(world.app, policies=policies)).outcome is Outcome.HELD


def test_what_would_be_refused_is_known_before_anything_is_changed(world):
    world.commit(web=deployment(), settings=config_map("settings"))
    world.sync()
    misspelt = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "nightly", "annotations": {"gitops.dev/wave": "5"}},
        "spec": {"shedule": "0 0 * * *", "jobTemplate": {"spec": {"template": {"spec": {"containers": []}}}}},
    }
    world.commit(web=deployment(image="nginx:1.27"), settings=config_map("settings", a="2"), nightly=misspelt)
    result = world.sync()
    assert (result.outcome, result.changed) == (Outcome.HELD, ())
    assert "nightly.yaml:1" in result.message
    assert "shedule" in result.message
    assert world.get("ConfigMap", "settings")["data"] == {"a": "1"}
    assert world.inventory().quarantine is None


def test_an_object_of_a_namespace_that_nobody_makes_is_known_before_anything_is_changed(world):
    lost = config_map("lost")
    lost["metadata"]["namespace"] = f"{world.namespace}-nowhere"
    world.commit(web=config_map("web"))
    world.sync()
    world.commit(web=config_map("web", a="2"), lost=lost)
    result = world.sync()
    assert (result.outcome, result.changed) == (Outcome.HELD, ())
    assert "namespace" in result.message
    assert "does not exist; add its manifest to the source" in result.message
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{world.namespace}-nowhere"}}
    world.commit(space=space)
    assert world.sync().outcome is Outcome.SYNCED


def test_what_other_objects_forbid_now_is_left_to_the_sync_itself(world):
    limit, pod = refused()
    world.commit(limit=limit)
    world.sync()
    loose = {**limit, "spec": {"limits": [{"type": "Container", "max": {"cpu": "4"}}]}}
    world.commit(limit=loose, pod=pod)
    assert world.sync(wait=False).outcome is Outcome.SYNCED
    assert world.get("Pod", "x")
