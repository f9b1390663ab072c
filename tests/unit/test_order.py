"""Phases, waves, kinds, and the lift of namespaces and definitions."""

import pytest

from gitops.engine.annotations import (
    check_words,
    hook_phases_of,
    is_apart,
    is_extraneous,
    is_skipped,
    may_lack_kind,
    may_recreate,
    prune_word_of,
)
from gitops.engine.order import places, rank_of
from gitops.manifests.errors import ManifestError
from gitops.manifests.key import key_of
from gitops.manifests.manifest import Manifest, Origin
from gitops.model.plan import Phase


def manifest(kind, name="x", api="v1", namespace="", spec=None, **annotations):
    metadata = {"name": name, "annotations": annotations} | ({"namespace": namespace} if namespace else {})
    body = {"apiVersion": api, "kind": kind, "metadata": metadata} | ({"spec": spec} if spec else {})
    return Manifest(key_of(body), body, Origin("a.yaml", 1))


def place_of(found):
    return places([found])[found.key]


def test_config_comes_before_what_uses_it():
    kinds = ["Namespace", "ServiceAccount", "Secret", "ConfigMap", "CustomResourceDefinition", "Service", "Deployment"]
    assert [rank_of(kind) for kind in kinds] == sorted(rank_of(kind) for kind in kinds)
    assert rank_of("SomethingOfMine") > rank_of("APIService")


@pytest.mark.parametrize("kind", ["PriorityClass", "RuntimeClass"])
def test_a_class_that_pods_name_comes_before_all_that_makes_pods(kind):
    workloads = ["DaemonSet", "Pod", "ReplicationController", "ReplicaSet", "Deployment", "StatefulSet", "Job"]
    assert all(rank_of(kind) < rank_of(workload) for workload in [*workloads, "CronJob"])


@pytest.mark.parametrize(
    ("name", "value", "place"),
    [
        ("gitops.dev/wave", "-1", (Phase.SYNC, -1)),
        ("argocd.argoproj.io/sync-wave", "3", (Phase.SYNC, 3)),
        ("gitops.dev/hook", "pre-sync", (Phase.PRE_SYNC, 0)),
        ("argocd.argoproj.io/hook", "PostSync", (Phase.POST_SYNC, 0)),
        ("helm.sh/hook", "pre-install,pre-upgrade", (Phase.PRE_SYNC, 0)),
        ("helm.sh/hook", "test,post-install", (Phase.POST_SYNC, 0)),
        ("gitops.dev/hook", "sync-fail", (Phase.SYNC_FAIL, 0)),
    ],
)
def test_annotations_of_ours_and_of_others_place_an_object(name, value, place):
    assert place_of(manifest("Job", api="batch/v1", **{name: value}))[:2] == place


def test_our_wave_wins_over_another_tools():
    both = {"gitops.dev/wave": "1", "argocd.argoproj.io/sync-wave": "9"}
    assert place_of(manifest("ConfigMap", **both))[1] == 1


def test_a_namespace_is_lifted_before_its_first_user():
    space = manifest("Namespace", "shop", **{"gitops.dev/wave": "5"})
    user = manifest("ConfigMap", namespace="shop", **{"gitops.dev/hook": "pre-sync", "gitops.dev/wave": "-2"})
    assert places([space, user])[space.key][:2] == (Phase.PRE_SYNC, -2)


def test_a_definition_is_lifted_before_the_first_object_of_its_kind():
    crd = manifest(
        "CustomResourceDefinition",
        api="apiextensions.k8s.io/v1",
        spec={"group": "example.com", "names": {"kind": "Widget"}},
    )
    user = manifest("Widget", api="example.com/v1", **{"gitops.dev/wave": "-3"})
    assert places([crd, user])[crd.key][1] == -3


def test_a_wave_that_is_no_number_is_an_error_with_file_and_line():
    with pytest.raises(ManifestError, match=r"a\.yaml:1: .*wave.*whole number.*'soon'"):
        place_of(manifest("ConfigMap", **{"gitops.dev/wave": "soon"}))


def test_an_unknown_hook_is_an_error_that_lists_the_known_ones():
    with pytest.raises(ManifestError, match=r"unknown hook 'presync'.*pre-sync"):
        place_of(manifest("Job", **{"gitops.dev/hook": "presync"}))


def test_hooks_of_acts_that_a_sync_never_makes_are_left_out():
    assert is_skipped(manifest("Pod", **{"helm.sh/hook": "test-failure"}))
    assert hook_phases_of(manifest("Pod", **{"helm.sh/hook": "test"})) == (Phase.TEST,)
    assert is_skipped(manifest("Pod", **{"argocd.argoproj.io/hook": "Skip"}))
    assert not is_skipped(manifest("Pod", **{"helm.sh/hook": "test,post-install"}))


@pytest.mark.parametrize("words", ["skip", "test-failure", "skip,test-failure"])
def test_a_hook_that_never_runs_is_no_mistake_and_has_no_phase(words):
    assert hook_phases_of(manifest("Pod", **{"gitops.dev/hook": words})) == ()
    assert hook_phases_of(manifest("Pod", **{"gitops.dev/hook": f"{words},post-sync"})) == (Phase.POST_SYNC,)


@pytest.mark.parametrize(
    ("word", "text", "why"),
    [
        ("prune", "confirm", ""),
        ("prune", "", ""),
        ("prune", None, ""),
        ("prune", "no", "expected confirm or disabled or enabled, got 'no'"),
        ("hook-delete-policy", "hook-succeeded, hook-failed", ""),
        ("hook-delete-policy", "hook-succeeded,later", "got 'later'"),
        ("hook-delete-policy", "HookSucceeded", "got 'HookSucceeded'"),
        ("values", "hidden", ""),
        ("values", "hidden, shown", "expected hidden, got 'hidden, shown'"),
        ("adopt-from", "team/other", ""),
        ("exempt-pod-security", "we know", ""),
        ("tracking", "anything", ""),
        ("healt", "ignore", "there is no such annotation (write one of adopt-from, apply, health, "),
    ],
)
def test_a_slip_in_an_annotation_of_ours_is_told_with_its_place(word, text, why):
    """Also behind what we wrote ourselves, and behind what other tools have."""
    others = {"example.com/prune": "no", "gitops.dev/sync": "s", "gitops.dev/exempt-x": ""}
    found = manifest("Pod", **{**others, f"gitops.dev/{word}": text})
    if not why:
        check_words(found)
        return
    with pytest.raises(ManifestError) as told:
        check_words(found)
    assert str(told.value).startswith(f"a.yaml:1: metadata.annotations[gitops.dev/{word}]: ")
    assert why in str(told.value)


def test_prune_and_recreate_are_understood_in_each_tools_words():
    assert prune_word_of(manifest("Pod", **{"argocd.argoproj.io/sync-options": "Prune=false"}).body) == "disabled"
    assert prune_word_of(manifest("Pod", **{"kustomize.toolkit.fluxcd.io/prune": "disabled"}).body) == "disabled"
    assert prune_word_of(manifest("Pod", **{"gitops.dev/prune": "confirm"}).body) == "confirm"
    assert prune_word_of(manifest("Pod", **{"argocd.argoproj.io/sync-options": "Prune=confirm"}).body) == "confirm"
    assert prune_word_of(manifest("Pod", **{"helm.sh/resource-policy": "keep"}).body) == "disabled"
    labelled = {"metadata": {"labels": {"kustomize.toolkit.fluxcd.io/prune": "Disabled"}}}
    assert prune_word_of(labelled) == "disabled"


@pytest.mark.parametrize(("option", "word"), [("Delete=false", "disabled"), ("Delete=confirm", "confirm")])
def test_some_words_count_only_when_the_application_is_deleted(option, word):
    body = manifest("Pod", **{"argocd.argoproj.io/sync-options": option}).body
    assert prune_word_of(body) == ""
    assert prune_word_of(body, leaving=True) == word
    assert may_recreate(manifest("Pod", **{"argocd.argoproj.io/sync-options": "Replace=true,Force=true"}).body)
    assert not may_recreate(manifest("Pod", **{"argocd.argoproj.io/sync-options": "Replace=true"}).body)


@pytest.mark.parametrize(
    ("annotations", "apart"),
    [
        ({}, False),
        ({"helm.sh/hook": "test"}, True),
        ({"helm.sh/hook": "test,test-success"}, True),
        ({"helm.sh/hook": "test,post-install"}, False),
        ({"gitops.dev/hook": "post-sync"}, False),
        ({"gitops.dev/health": "ignore"}, True),
        ({"gitops.dev/health": "", "argocd.argoproj.io/ignore-healthcheck": "true"}, True),
        ({"argocd.argoproj.io/ignore-healthcheck": "false"}, False),
    ],
)
def test_a_test_and_what_asks_for_it_say_nothing_of_how_the_application_is(annotations, apart):
    assert is_apart(manifest("Pod", **annotations).body) is apart


def test_options_of_argo_cd_are_read_among_others_and_with_spaces():
    options = {"argocd.argoproj.io/sync-options": "Validate=false, SkipDryRunOnMissingResource=true"}
    compared = {"argocd.argoproj.io/compare-options": "ServerSideDiff=true, IgnoreExtraneous"}
    assert (may_lack_kind(manifest("Pod", **options).body), may_lack_kind(manifest("Pod", **compared).body)) == (
        True,
        False,
    )
    assert (is_extraneous(manifest("Pod", **options).body), is_extraneous(manifest("Pod", **compared).body)) == (
        False,
        True,
    )
