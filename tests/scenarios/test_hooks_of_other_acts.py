"""Hooks of deletions and rollbacks; kinds that come later; objects that may be there without a source; ciphertext."""

import threading
import time
from dataclasses import replace

import pytest

from gitops.engine.plan_input import PlanOptions
from gitops.model.errors import ManifestError
from gitops.model.result import Outcome
from gitops.sync.context import Request
from gitops.sync.uninstall import uninstall
from tests.scenarios.test_rollback import DONE, by_hand
from tests.scenarios.world import config_map, custom_kind, job


def delete(world, **options):
    request = Request(world.app, "ada", PlanOptions(**options))
    return world._context(lambda context: uninstall(request, context, keep=False))


def hooks_run(world):
    """The hooks of the audit log, in order."""
    steps = [event for event in world.audit() if event.fact == "step.started"]
    return [
        (event.detail["phase"], change["object"].rpartition("/")[2])
        for event in steps
        for change in event.detail["changes"]
        if change["change"] == "hook"
    ]


@pytest.mark.parametrize("prefix", ["helm.sh", "argocd.argoproj.io", "gitops.dev"])
def test_the_hooks_of_a_deletion_run_before_and_after_it(world, prefix):
    names = ("PreDelete", "PostDelete") if prefix.startswith("argo") else ("pre-delete", "post-delete")
    world.commit(a=config_map("a"), **{name.lower(): job(name.lower(), **{f"{prefix}/hook": name}) for name in names})
    assert world.sync().outcome is Outcome.SYNCED
    assert hooks_run(world) == []
    result = delete(world)
    assert result.outcome is Outcome.SYNCED, result.message
    first, last = (name.lower() for name in names)
    assert hooks_run(world) == [("pre_delete", first), ("post_delete", last)]
    facts = [(event.fact, event.detail.get("phase")) for event in world.audit()]
    places = [facts.index(("step.started", phase)) for phase in ("pre_delete", "prune", "post_delete")]
    assert places == sorted(places)
    assert world.get("Job", first, "batch") is None
    assert world.get("Job", last, "batch") is None
    assert world.get("ConfigMap", "gitops-app") is None


def test_a_deletion_whose_first_hook_fails_deletes_nothing(world):
    world.commit(a=config_map("a"), stop=job("stop", image="busybox:fail", **{"helm.sh/hook": "pre-delete"}))
    world.sync()
    result = delete(world)
    assert result.outcome is Outcome.FAILED
    assert "stop" in result.message
    assert world.get("ConfigMap", "a")
    assert world.inventory().keys


def test_a_deletion_whose_hooks_nobody_has_any_more_waits_for_a_word(world):
    import shutil

    world.commit(a=config_map("a"), stop=job("stop", **{"helm.sh/hook": "pre-delete"}))
    world.sync()
    shutil.rmtree(world.state)
    world.repository.rename(world.folder / "moved")
    held = delete(world)
    assert held.outcome is Outcome.HELD
    assert "its hooks for a deletion cannot be had" in held.message
    assert delete(world, confirm=True).outcome is Outcome.SYNCED
    assert world.get("ConfigMap", "a") is None


def test_the_hooks_of_a_rollback_run_with_it_and_never_with_a_sync(world):
    hooks = {
        f"{when}-rollback": job(f"{when}-rollback", **{"helm.sh/hook": f"{when}-rollback"}) for when in ("pre", "post")
    }
    world.commit(a=config_map("a"), **hooks)
    world.sync()
    world.commit(a=config_map("a", a="2"))
    world.sync()
    assert hooks_run(world) == []
    code, said = by_hand(world)
    assert code == DONE, said
    assert hooks_run(world) == [("pre_rollback", "pre-rollback"), ("post_rollback", "post-rollback")]
    phases = [event.detail["phase"] for event in world.audit() if event.fact == "step.started"]
    assert phases[-3:] == ["pre_rollback", "sync", "post_rollback"]


def late(group, name="w"):
    options = {"argocd.argoproj.io/sync-options": "SkipDryRunOnMissingResource=true"}
    metadata = {"name": name, "annotations": options}
    return {"apiVersion": f"{group}/v1", "kind": "Gadget", "metadata": metadata, "spec": {"size": 1}}


FREE = {"type": "object", "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}


def test_a_kind_that_an_operator_of_the_set_defines_later_is_waited_for(world):
    group, definition = custom_kind(world, "Gadget", FREE)
    world.commit(a=config_map("a"), g=late(group))

    def define():
        time.sleep(1.5)
        world.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", definition)

    threading.Thread(target=define, daemon=True).start()
    result = world.sync()
    assert result.outcome is Outcome.SYNCED, result.message
    assert world.get("Gadget", "w", group)["spec"] == {"size": 1}
    assert world.sync().outcome is Outcome.IN_SYNC


def test_a_kind_that_never_comes_fails_the_sync_and_is_named(world):
    group, _ = custom_kind(world, "Gadget", FREE)
    world.commit(a=config_map("a"), g=late(group))
    result = world.sync(world.with_sync(timeout=1.0))
    assert result.outcome is Outcome.FAILED
    assert f"nothing has defined kind Gadget in {group}/v1 in time" in result.message


def test_what_may_be_there_without_a_source_is_no_reason_for_a_sync(world):
    extra = config_map("extra")
    extra["metadata"]["annotations"] = {"argocd.argoproj.io/compare-options": "IgnoreExtraneous"}
    world.commit(a=config_map("a"), extra=extra)
    world.sync()
    world.commit(extra=None)
    result = world.sync()
    assert not result.plan.changes
    assert [kept.key.name for kept in result.plan.kept] == ["extra"]
    world.commit(a=config_map("a", a="2"))
    assert world.sync().outcome is Outcome.SYNCED
    assert world.get("ConfigMap", "extra") is None


SOPS = {"mac": "ENC[AES256_GCM,data:x]", "lastmodified": "2026", "age": [{"recipient": "age1abc", "enc": "x"}]}
CIPHER = "ENC[AES256_GCM,data:abc,iv:x,tag:y,type:str]"


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": CIPHER}, "sops": SOPS},
            r"s\.yaml:1: Secret s: is encrypted by SOPS for age age1abc",
        ),
        (
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "stringData": {".env": f"A={CIPHER}"}},
            r"Secret s: stringData\..env: holds what SOPS encrypted",
        ),
        (
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": "s"},
                "data": {"x.json": f'{{"a": "{CIPHER}"}}'},
            },
            r"ConfigMap s: data\.x\.json: holds what SOPS encrypted",
        ),
    ],
    ids=["manifest", "secret", "config"],
)
def test_what_sops_encrypted_is_never_applied(world, body, words):
    world.commit(a=config_map("a"), s=body)
    with pytest.raises(ManifestError, match=words):
        world.sync()
    assert world.get("ConfigMap", "a") is None


def test_a_secret_that_is_generated_of_an_encrypted_file_is_never_applied(world):
    world.commit(a=config_map("a"))
    (world.repository / "kustomization.yaml").write_text("secretGenerator: [{name: s, envs: [secret.env]}]\n")
    (world.repository / "secret.env").write_text(f"PASSWORD={CIPHER}\nsops_version=3.9.0\n")
    world.commit()
    with pytest.raises(ManifestError, match=r"Secret s-\w+: data\.PASSWORD: holds what SOPS encrypted"):
        world.sync()


def test_an_application_that_is_forgotten_leaves_no_marks_behind(world):
    world.commit(a=config_map("a"))
    world.sync()
    request = Request(replace(world.app), "ada")
    result = world._context(lambda context: uninstall(request, context, keep=True))
    assert result.outcome is Outcome.SYNCED
    metadata = world.get("ConfigMap", "a")["metadata"]
    assert (metadata.get("labels") or {}, metadata.get("annotations") or {}) == ({}, {})
    assert world.get("ConfigMap", "gitops-app") is None
