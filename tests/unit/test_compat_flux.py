"""Flux's objects as Applications: what becomes of each field, and that none is left out in silence."""

from typing import Any

import pytest

from gitops.compat.flux.answer import Answer
from gitops.compat.flux.objects import FluxObjects, Ref
from gitops.compat.flux.reading import read, read_leaving
from gitops.compat.flux.tree import FluxTree
from gitops.config import application_of
from gitops.manifests.yaml_write import write_manifests
from gitops.model.application import Application
from gitops.model.revision import Tree
from renderers.registry import Rendered, render

VERSIONS = {
    "Kustomization": "kustomize.toolkit.fluxcd.io/v1",
    "HelmRelease": "helm.toolkit.fluxcd.io/v2",
    "Receiver": "notification.toolkit.fluxcd.io/v1",
    "ImagePolicy": "image.toolkit.fluxcd.io/v1",
}


def body(kind: str, name: str, spec: dict[str, Any], namespace: str = "flux-system") -> dict[str, Any]:
    version = VERSIONS.get(kind, "source.toolkit.fluxcd.io/v1")
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}


GIT = body(
    "GitRepository", "repo", {"url": "https://git.example/team/repo", "interval": "2m", "ref": {"branch": "main"}}
)
CHARTS = body("HelmRepository", "charts", {"url": "https://charts.example", "interval": "1h"})
OCI = body(
    "OCIRepository",
    "app",
    {
        "url": "oci://registry.example/charts/app-template",
        "interval": "15m",
        "ref": {"tag": "4.6.2"},
        "layerSelector": {"mediaType": "application/vnd.cncf.helm.chart.content.v1.tar+gzip", "operation": "copy"},
    },
)
MINIMAL = {"interval": "10m", "sourceRef": {"kind": "GitRepository", "name": "repo"}, "prune": True}


def answer(kind: str, spec: dict[str, Any], *sources: dict[str, Any], name: str = "apps", **metadata: Any) -> Answer:
    made = body(kind, name, spec, **metadata)
    return read(made, FluxObjects([*(sources or (GIT, CHARTS, OCI)), made]))


def application(kind: str, spec: dict[str, Any], *sources: dict[str, Any], **metadata: Any) -> Application:
    found = answer(kind, spec, *sources, **metadata)
    assert found.reasons == ()
    assert found.application is not None
    return application_of(found.application)


def release(**spec: Any) -> Application:
    chart = {"spec": {"chart": "web", "version": "1.x", "sourceRef": {"kind": "HelmRepository", "name": "charts"}}}
    return application("HelmRelease", {"interval": "10m", "chart": chart, **spec})


def test_a_kustomization_is_a_path_built_and_kept_as_flux_does() -> None:
    app = application("Kustomization", {**MINIMAL, "path": "./clusters/prod", "timeout": "3m", "retryInterval": "1m"})
    source = app.source
    assert (app.identity, app.destination.namespace) == ("flux-system/apps", "flux-system")
    assert (source.repoURL, source.targetRevision, source.path) == (
        "https://git.example/team/repo",
        "main",
        "clusters/prod",
    )
    assert (source.renderer, source.kustomize.rules) == ("kustomize", "flux")
    sync = app.sync
    assert (sync.automated, sync.prune, sync.drift, sync.conflicts, sync.rollback) == (
        True,
        True,
        "correct",
        "force",
        "never",
    )
    assert (sync.timeout, sync.retry.backoff.duration, sync.wait.objects, app.interval) == (180.0, 60.0, "none", 120.0)


def test_time_that_is_not_said_is_what_flux_takes() -> None:
    assert application("Kustomization", MINIMAL).sync.timeout == 570.0
    assert application("Kustomization", {**MINIMAL, "interval": "40s"}).sync.timeout == 30.0
    assert application("Kustomization", {**MINIMAL, "interval": "1m0s"}).sync.retry.backoff.duration == 60.0


def test_what_is_waited_for_is_all_or_what_is_named() -> None:
    checks = [{"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "namespace": "shop"}]
    listed = application("Kustomization", {**MINIMAL, "healthChecks": checks}).sync.wait
    assert (listed.objects, listed.checks[0].name) == ("listed", "web")
    assert application("Kustomization", {**MINIMAL, "wait": True, "healthChecks": checks}).sync.wait.objects == "all"


def test_options_of_a_kustomization_are_options_of_ours() -> None:
    spec = {
        **MINIMAL,
        "targetNamespace": "shop",
        "namePrefix": "a-",
        "components": ["../part"],
        "images": [{"name": "web", "newTag": "2"}, {"name": "db", "newName": "mine/db", "digest": "sha256:abc"}],
        "patches": [{"patch": "- {op: remove, path: /spec/replicas}", "target": {"kind": "Deployment"}}],
        "dependsOn": [{"name": "infra"}, {"name": "db", "namespace": "data"}],
        "force": True,
        "suspend": True,
        "serviceAccountName": "team",
        "ignore": [{"paths": ["/spec/replicas"], "target": {"kind": "Deployment", "name": "web"}}],
        "healthCheckExprs": [
            {"apiVersion": "x.example/v1", "kind": "Thing", "current": "status.ok", "failed": "status.bad"}
        ],
    }
    app = application("Kustomization", spec)
    kustomize = app.source.kustomize
    assert (kustomize.namespace, kustomize.namePrefix, kustomize.components) == ("shop", "a-", ("../part",))
    assert kustomize.images == ("web=*:2", "db=mine/db@sha256:abc")
    assert kustomize.patches[0].target.kind == "Deployment"
    assert app.dependsOn == ("flux-system/infra", "data/db")
    assert (app.sync.recreate, app.sync.automated, app.sync.serviceAccount) == (True, False, "team")
    assert app.ignoreDifferences[0].jsonPointers == ("/spec/replicas",)
    assert (app.health[0].group, app.health[0].healthy, app.health[0].degraded) == (
        "x.example",
        "status.ok",
        "status.bad",
    )


@pytest.mark.parametrize(
    ("ref", "revision"),
    [
        (None, "master"),
        ({"branch": "main"}, "main"),
        ({"branch": "main", "tag": "v1"}, "v1"),
        ({"tag": "v1", "semver": "1.x"}, "1.x"),
        ({"semver": "1.x", "name": "refs/pull/1/head"}, "refs/pull/1/head"),
        ({"commit": "a" * 40, "branch": "main"}, "a" * 40),
    ],
)
def test_of_the_words_for_a_revision_the_first_that_flux_takes_counts(ref: Any, revision: str) -> None:
    git = body(
        "GitRepository", "repo", {"url": "https://git.example/r", "interval": "1m", **({"ref": ref} if ref else {})}
    )
    assert application("Kustomization", MINIMAL, git).source.targetRevision == revision


def test_a_source_may_lie_in_another_namespace_and_its_secret_with_it() -> None:
    git = body(
        "GitRepository", "repo", {**GIT["spec"], "secretRef": {"name": "key"}, "ignore": "/*\n!/apps\n"}, "sources"
    )
    spec = {**MINIMAL, "sourceRef": {"kind": "GitRepository", "name": "repo", "namespace": "sources"}}
    found = answer("Kustomization", spec, git)
    assert found.application is not None
    app = application_of(found.application)
    assert (found.secrets_in, app.source.credentials.secretRef, app.source.ignore) == ("sources", "key", "/*\n!/apps\n")


def test_a_source_that_is_not_known_is_named_and_no_reason_to_refuse() -> None:
    found = answer("Kustomization", {**MINIMAL, "sourceRef": {"kind": "GitRepository", "name": "other"}})
    assert (found.outcome, found.application, str(found.missing)) == ("run", None, "GitRepository flux-system/other")


def test_what_keeps_a_source_from_being_read_keeps_back_who_needs_it_and_nobody_else() -> None:
    signed = body("GitRepository", "signed", {**GIT["spec"], "verify": {"mode": "HEAD", "secretRef": {"name": "keys"}}})
    spec = {**MINIMAL, "sourceRef": {"kind": "GitRepository", "name": "signed"}}
    found = answer("Kustomization", spec, signed, GIT)
    assert found.outcome == "refused"
    assert found.reasons[0].startswith("spec.sourceRef: GitRepository flux-system/signed: spec.verify: signatures")
    assert answer("Kustomization", MINIMAL, signed, GIT).outcome == "run"


def test_flux_itself_is_not_delivered() -> None:
    spec = {**MINIMAL, "path": "./clusters/prod", "sourceRef": {"kind": "GitRepository", "name": "flux-system"}}
    git = body("GitRepository", "flux-system", GIT["spec"])
    app = application("Kustomization", spec, git, name="flux-system")
    labels = {"app.kubernetes.io/part-of": "flux", "app.kubernetes.io/component": "source-controller"}
    objects = [
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "source-controller", "labels": labels}},
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "source-controller", "labels": labels}},
    ]
    made = render(Tree.of_files({"clusters/prod/all.yaml": write_manifests(objects)}), app.source)
    assert isinstance(made, Rendered)
    assert sorted(str(one.key) for one in made.manifests) == ["Service source-controller", "apps/Deployment web"]


# ── HelmRelease ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_release_of_a_chart_repository() -> None:
    app = release(values={"a": 1}, targetNamespace="shop", install={"createNamespace": True})
    source = app.source
    assert (app.identity, app.destination.namespace) == ("flux-system/apps-helm", "shop")
    assert (source.repoURL, source.chart, source.targetRevision) == ("https://charts.example", "web", "1.x")
    assert (source.helm.releaseName, source.helm.values, app.sync.createNamespace) == ("shop-apps", {"a": 1}, True)
    assert (app.sync.wait.objects, app.sync.timeout, app.sync.drift, app.sync.prune) == ("all", 300.0, "ignore", True)


def test_a_chart_that_an_ocirepository_gives() -> None:
    spec = {"interval": "1h", "chartRef": {"kind": "OCIRepository", "name": "app"}}
    source = application("HelmRelease", spec).source
    assert (source.repoURL, source.chart, source.targetRevision) == (
        "oci://registry.example/charts",
        "app-template",
        "4.6.2",
    )


def test_tags_that_are_filtered_by_an_expression() -> None:
    spec = {**OCI["spec"], "ref": {"semver": ">=1.0.0-0", "semverFilter": ".*-rc.*"}}
    app = application(
        "HelmRelease", {"interval": "10m", "chartRef": {"kind": "OCIRepository", "name": "app"}}, {**OCI, "spec": spec}
    )
    assert app.source.targetRevision == ">=1.0.0-0 =~ .*-rc.*"
    told = read({**OCI, "spec": {**spec, "ref": {"tag": "1", "semverFilter": "x"}}}, FluxObjects()).told
    assert told["spec.ref.semverFilter"].startswith("noted: ")


def test_a_chart_in_a_git_repository_with_files_of_values() -> None:
    chart = {
        "chart": "./charts/web",
        "sourceRef": {"kind": "GitRepository", "name": "repo"},
        "valuesFiles": ["./charts/web/values-prod.yaml", "values/all.yaml"],
    }
    source = application("HelmRelease", {"interval": "1h", "chart": {"spec": chart}}).source
    assert (source.chart, source.path) == ("", "charts/web")
    assert source.helm.valueFiles == ("values-prod.yaml", "../../values/all.yaml")
    assert source.helm.replaceValues  # the chart's own values.yaml counts where it is named


@pytest.mark.parametrize(
    ("install", "upgrade", "crds"),
    [
        ({}, {}, "Create"),
        ({"crds": "CreateReplace"}, {"crds": "CreateReplace"}, "CreateReplace"),
        ({}, {"crds": "CreateReplace"}, "CreateReplace"),
        ({"crds": "Skip"}, {"crds": "Skip"}, "Skip"),
        ({"skipCRDs": True}, {}, "Skip"),
        ({"crds": "Skip"}, {"crds": "Create"}, "Create"),
    ],
)
def test_definitions_of_a_chart(install: dict[str, Any], upgrade: dict[str, Any], crds: str) -> None:
    assert release(install=install, upgrade=upgrade).source.helm.crds == crds


@pytest.mark.parametrize(
    ("spec", "rollback", "tries"),
    [
        ({}, "never", 0),
        ({"upgrade": {"remediation": {"retries": 3}}}, "onFailure", 3),
        ({"upgrade": {"remediation": {"retries": 3, "strategy": "rollback"}}}, "onFailure", 3),
        ({"upgrade": {"remediation": {"retries": 0, "remediateLastFailure": True}}}, "onFailure", 0),
        (
            {"install": {"remediation": {"retries": -1}}, "upgrade": {"remediation": {"retries": 3}}},
            "onFailure",
            1000000,
        ),
        ({"install": {"remediation": {"retries": 5}}}, "never", 5),
        ({"install": {"strategy": {"name": "RetryOnFailure", "retryInterval": "2m"}}}, "never", 1000000),
    ],
)
def test_what_a_failure_leads_to(spec: dict[str, Any], rollback: str, tries: int) -> None:
    sync = release(**spec).sync
    assert (sync.rollback, sync.retry.limit) == (rollback, tries)


def test_values_from_the_cluster() -> None:
    wanted = [
        {"kind": "ConfigMap", "name": "all"},
        {"kind": "Secret", "name": "one", "valuesKey": "password", "targetPath": "db.password", "optional": True},
        {"kind": "Secret", "name": "text", "valuesKey": "x", "targetPath": "a", "literal": True},
    ]
    first, second, third = release(valuesFrom=wanted).source.helm.valuesFrom
    assert (first.kind, first.key, first.targetPath) == ("ConfigMap", "values.yaml", "")
    assert (second.key, second.targetPath, second.optional, second.targetValue) == (
        "password",
        "db.password",
        True,
        "set",
    )
    assert third.targetValue == "text"


def test_images_of_post_renderers_are_changed_after_the_patches() -> None:
    image = {"name": "web", "newName": "mirror.example/web", "newTag": "2"}
    patch = {"patch": "[]", "target": {"kind": "Deployment"}}
    app = release(postRenderers=[{"kustomize": {"patches": [patch]}}, {"kustomize": {"images": [image]}}])
    assert app.source.images == ("web=mirror.example/web:2",)
    assert [one.target.kind for one in app.source.patches] == ["Deployment"]
    turned = [{"kustomize": {"images": [image]}}, {"kustomize": {"patches": [patch]}}]
    chart = {"spec": {"chart": "web", "sourceRef": {"kind": "HelmRepository", "name": "charts"}}}
    found = answer("HelmRelease", {"interval": "10m", "chart": chart, "postRenderers": turned})
    assert found.reasons[0].startswith("spec.postRenderers[].kustomize.patches: ")


def test_tests_and_hooks_are_run_or_not_as_it_says() -> None:
    assert release(test={"enable": True}).source.patches[0].target.annotationSelector == "helm.sh/hook=test"
    none = release(install={"disableHooks": True}, upgrade={"disableHooks": True}).source.patches
    assert "$patch: delete" in none[0].patch
    chart = {"spec": {"chart": "web", "sourceRef": {"kind": "HelmRepository", "name": "charts"}}}
    found = answer("HelmRelease", {"interval": "1m", "chart": chart, "install": {"disableHooks": True}})
    assert found.reasons[0].startswith("spec.install.disableHooks: hooks are run at the install and at the upgrade")


def test_a_name_that_helm_would_not_take_is_shortened_as_flux_does() -> None:
    name = release(releaseName="x" * 60).source.helm.releaseName
    assert (len(name), name[:41]) == (53, "x" * 40 + "-")


@pytest.mark.parametrize(
    ("drift", "mode"), [(None, "ignore"), ({"mode": "warn"}, "report"), ({"mode": "enabled"}, "correct")]
)
def test_drift_of_a_release(drift: Any, mode: str) -> None:
    assert release(**({"driftDetection": drift} if drift else {})).sync.drift == mode


# ── nothing in silence ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kind", "spec", "path"),
    [
        ("Kustomization", {**MINIMAL, "nonsense": 1}, "spec.nonsense"),
        ("Kustomization", {**MINIMAL, "postBuild": {"substitutes": {}}}, "spec.postBuild.substitutes"),
        (
            "Kustomization",
            {**MINIMAL, "dependsOn": [{"name": "a", "readyExpr": "deps.x"}]},
            "spec.dependsOn[].readyExpr",
        ),
        ("Kustomization", {**MINIMAL, "dependsOn": [{"name": "a", "readyExpr": 1}]}, "spec.dependsOn[].readyExpr"),
        (
            "Kustomization",
            {**MINIMAL, "dependsOn": [{"name": "a", "readyExpr": "true"}, {"name": "a"}]},
            "spec.dependsOn[].name",
        ),
        ("Kustomization", {**MINIMAL, "dependsOn": [{"nam": "a"}]}, "spec.dependsOn[].nam"),
        ("Kustomization", {**MINIMAL, "dependsOn": "a"}, "spec.dependsOn"),
        ("Kustomization", {**MINIMAL, "kubeConfig": {"configMapRef": {"name": "x"}}}, "spec.kubeConfig.configMapRef"),
        ("Kustomization", {**MINIMAL, "path": "../up"}, "spec.path"),
        ("Kustomization", {**MINIMAL, "path": 3}, "spec.path"),
        ("Kustomization", {**MINIMAL, "timeout": "soon"}, "spec.timeout"),
        ("Kustomization", {**MINIMAL, "prune": "yes"}, "spec.prune"),
        ("Kustomization", {**MINIMAL, "sourceRef": {"kind": "HelmRepository", "name": "b"}}, "spec.sourceRef.kind"),
        ("Kustomization", {"interval": "1m", "prune": True}, "spec.sourceRef"),
        ("Kustomization", {**MINIMAL, "components": [{}]}, "spec.components"),
        ("Kustomization", {**MINIMAL, "patches": ["x"]}, "spec.patches"),
        ("Kustomization", {**MINIMAL, "deletionPolicy": "Keep"}, "spec.deletionPolicy"),
        ("HelmRelease", {"interval": "1m"}, "spec.chart"),
        ("HelmRelease", {"interval": "1m", "version": "1"}, "spec.version"),
        ("HelmRelease", {"interval": "1m", "upgrade": {"preserveValues": True}}, "spec.upgrade.preserveValues"),
        ("HelmRelease", {"interval": "1m", "install": {"forceful": True}}, "spec.install.forceful"),
        ("GitRepository", {"url": "https://x.example/r", "interval": "1m", "branch": "main"}, "spec.branch"),
        ("GitRepository", {"url": "https://x.example/r", "interval": "1m", "provider": "github"}, "spec.provider"),
        ("OCIRepository", {"url": "https://x.example/r", "interval": "1m"}, "spec.url"),
        (
            "OCIRepository",
            {"url": "oci://x.example/r", "interval": "1m", "verify": {"provider": "cosign"}},
            "spec.verify.provider",
        ),
        ("HelmRepository", {"url": "https://x.example", "interval": "1m", "type": "odd"}, "spec.type"),
        ("Bucket", {"bucketName": "x"}, "spec.endpoint"),
        ("Bucket", {"bucketName": "x", "endpoint": "https://a.b"}, "spec.endpoint"),
        ("Bucket", {"bucketName": "x", "endpoint": "a.b", "provider": "gcp"}, "spec.provider"),
        ("Bucket", {"bucketName": "x", "endpoint": "a.b", "provider": "azure"}, "spec.provider"),
        ("Bucket", {"bucketName": "x", "endpoint": "a.b", "provider": "aws"}, "spec.provider"),
        ("Bucket", {"bucketName": "x", "endpoint": "a.b", "sts": {"provider": "ldap"}}, "spec.sts"),
        ("Bucket", {"bucketName": "x", "endpoint": "a.b", "serviceAccountName": "x"}, "spec.serviceAccountName"),
        ("ImagePolicy", {"imageRepositoryRef": {"name": "x"}}, "spec"),
        ("Receiver", {"type": "github", "magic": True}, "spec.magic"),
    ],
)
def test_what_cannot_be_run_is_refused_with_its_path(kind: str, spec: dict[str, Any], path: str) -> None:
    found = answer(kind, spec)
    assert found.outcome == "refused"
    assert path in [reason.partition(": ")[0] for reason in found.reasons]
    assert found.told[path].startswith("refused: ")


def test_a_field_that_changes_nothing_is_told_with_the_reason() -> None:
    chart = {"spec": {"chart": "web", "sourceRef": {"kind": "HelmRepository", "name": "charts"}}}
    told = answer("HelmRelease", {"interval": "1m", "chart": chart, "maxHistory": 3}).told
    assert told["spec.maxHistory"].startswith("noted: releases are kept in the records of gitops")
    assert told["spec.chart.spec.chart"] == "used"


def test_an_object_of_strangers_types_is_refused_and_stops_nobody() -> None:
    for spec in (None, [], "x", {"sourceRef": []}, {"interval": 5}, {"sourceRef": {"kind": 1}}):
        found = answer("Kustomization", spec)  # type: ignore[arg-type]
        assert found.outcome == "refused"


# ── the tree ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def kustomization(name: str, **spec: Any) -> dict[str, Any]:
    return body("Kustomization", name, {**MINIMAL, **spec})


def due(tree: FluxTree) -> list[str]:
    return [found.ref.name for found in tree.due()]


def end(tree: FluxTree, name: str, *brought: dict[str, Any], well: bool = True, kind: str = "Kustomization") -> None:
    tree.done(Ref(kind, "flux-system", name), well=well, brought=brought)


def test_who_depends_on_another_comes_after_it() -> None:
    tree = FluxTree([GIT, kustomization("apps", dependsOn=[{"name": "infra"}]), kustomization("infra")])
    assert due(tree) == ["infra"]
    assert due(tree) == []
    end(tree, "infra")
    assert due(tree) == ["apps"]


def test_who_waits_for_its_objects_is_ready_when_its_children_are() -> None:
    child = body("HelmRelease", "db", {"interval": "1h", "chartRef": {"kind": "OCIRepository", "name": "app"}})
    infra = kustomization("infra", wait=True)
    tree = FluxTree([GIT, OCI, infra, kustomization("apps", dependsOn=[{"name": "infra"}])])
    assert due(tree) == ["infra"]
    end(tree, "infra", child)
    assert due(tree) == ["db"]
    end(tree, "db", kind="HelmRelease")
    assert due(tree) == ["apps"]


def test_a_kustomization_brings_itself_and_objects_of_others_beside_those_of_flux() -> None:
    itself, child = kustomization("infra"), kustomization("apps")
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "flux-system"}}
    tree = FluxTree([config, GIT, config, itself])
    assert due(tree) == ["infra"]
    end(tree, "infra", config, itself, config, child)
    assert due(tree) == ["apps"]
    assert [found.ref.kind for found in tree.others()] == ["GitRepository"]


def test_who_does_not_wait_is_ready_before_its_children_but_for_those_that_it_names() -> None:
    child = body("HelmRelease", "db", {"interval": "1h", "chartRef": {"kind": "OCIRepository", "name": "app"}})
    checks = [
        {"apiVersion": "helm.toolkit.fluxcd.io/v2", "kind": "HelmRelease", "name": "db", "namespace": "flux-system"}
    ]
    for spec, names in (({}, ["apps", "db"]), ({"healthChecks": checks}, ["db"])):
        tree = FluxTree(
            [GIT, OCI, kustomization("infra", **spec), kustomization("apps", dependsOn=[{"name": "infra"}])]
        )
        due(tree)
        end(tree, "infra", child)
        assert sorted(due(tree)) == names


LIBRARY = body(
    "GitRepository",
    "library",
    {"url": "https://git.example/team/library", "interval": "1m", "ref": {"tag": "v1"}, "secretRef": {"name": "key"}},
)


def including(*items: dict[str, Any]) -> dict[str, Any]:
    return body("GitRepository", "repo", {**GIT["spec"], "include": list(items)})


def test_a_repository_that_includes_another_is_two_sources() -> None:
    whole = {"repository": {"name": "library"}}
    part = {"repository": {"name": "library"}, "fromPath": "./deploy/", "toPath": "/base/app"}
    app = application("Kustomization", {**MINIMAL, "path": "./apps"}, including(whole, part), LIBRARY)
    own, first, second = app.sources
    assert [(one.ref, one.fromPath, one.place) for one in own.include] == [
        ("include-1", "", "library"),
        ("include-2", "deploy", "base/app"),
    ]
    assert (own.path, own.kustomize.rules, own.is_rendered, first.is_rendered) == ("apps", "flux", True, False)
    assert (first.repoURL, second.targetRevision, first.credentials.secretRef) == (LIBRARY["spec"]["url"], "v1", "key")
    assert app.interval == 60.0
    chart = {"spec": {"chart": "./web", "sourceRef": {"kind": "GitRepository", "name": "repo"}}}
    found = application("HelmRelease", {"interval": "10m", "chart": chart}, including(whole), LIBRARY)
    assert (found.sources[0].path, found.sources[0].include[0].place) == ("web", "library")


def test_what_cannot_be_included_is_refused_and_what_is_not_there_is_told() -> None:
    whole = {"repository": {"name": "library"}}
    nested = body("GitRepository", "library", {**LIBRARY["spec"], "include": [{"repository": {"name": "x"}}]})
    wrong = body("GitRepository", "library", {**LIBRARY["spec"], "recurseSubmodules": True})
    found = answer("Kustomization", MINIMAL, including(whole), nested)
    assert "GitRepository flux-system/library includes others itself" in found.reasons[0]
    assert "spec.recurseSubmodules" in answer("Kustomization", MINIMAL, including(whole), wrong).reasons[0]
    assert answer("Kustomization", MINIMAL, including(whole)).missing == Ref("GitRepository", "flux-system", "library")
    out = answer("Kustomization", MINIMAL, including({**whole, "toPath": "../x"}), LIBRARY)
    assert "spec.include[].toPath: leads out of the repository" in out.reasons[0]
    for item, field in (({}, "repository"), ({**whole, "toPath": "./"}, "toPath"), ({**whole, "x": 1}, "x")):
        reasons = read(including(item), FluxObjects([])).reasons
        assert reasons[0].startswith(f"spec.include[].{field}: "), reasons


def signed_by(**verify: Any) -> dict[str, Any]:
    spec = {"url": "oci://registry.example/manifests/app", "interval": "5m", "verify": verify}
    return body("OCIRepository", "app", spec)


OF_OCI = {**MINIMAL, "sourceRef": {"kind": "OCIRepository", "name": "app"}}
OCI_SPEC = {"url": "oci://registry.example/manifests/app", "interval": "5m"}
BY_KEY = {"provider": "cosign", "secretRef": {"name": "keys"}}


def test_a_layer_that_is_a_chart_has_no_files_for_a_kustomization() -> None:
    (reason,) = answer("Kustomization", OF_OCI).reasons
    assert reason.startswith("spec.sourceRef: ")
    assert reason.endswith(": its layerSelector takes a chart, not files")


def test_who_has_to_sign_an_artifact_or_a_chart_is_kept() -> None:
    app = application("Kustomization", OF_OCI, signed_by(**BY_KEY))
    assert (app.source.verify.provider, app.source.verify.secretRef) == ("cosign", "keys")
    charts = body("HelmRepository", "charts", {"url": "oci://registry.example/charts", "type": "oci"})
    chart = {"chart": "web", "verify": BY_KEY, "sourceRef": {"kind": "HelmRepository", "name": "charts"}}
    spec = {"interval": "10m", "chart": {"spec": chart}}
    assert application("HelmRelease", spec, charts).source.verify.secretRef == "keys"
    there = {**chart, "sourceRef": {**chart["sourceRef"], "namespace": "flux-system"}}
    found = answer("HelmRelease", {**spec, "chart": {"spec": there}}, charts, namespace="team")
    assert (found.reasons, found.secrets_in) == ((), "team")
    private = {**charts, "spec": {**charts["spec"], "secretRef": {"name": "pull"}}}
    (reason, _) = answer("HelmRelease", {**spec, "chart": {"spec": there}}, private, namespace="team").reasons * 2
    assert "in two namespaces" in reason
    assert "only charts of a registry are signed" in answer("HelmRelease", spec, CHARTS).reasons[0]


@pytest.mark.parametrize(
    ("verify", "field"),
    [
        ({"provider": "cosign"}, "spec.verify.provider: signatures without a key"),
        ({}, "spec.verify.secretRef: it is missing"),
        ({"provider": "cosign", "matchOIDCIdentity": [{"issuer": "x", "subject": "y"}]}, "spec.verify.matchOIDC"),
        ({"provider": "notation", "secretRef": {"name": "keys"}}, "spec.verify.provider: of signatures"),
        ({"provider": "cosign", "trustedRootSecretRef": {"name": "x"}}, "spec.verify.provider: signatures without"),
        ({**BY_KEY, "other": 1}, "spec.verify.other: "),
    ],
    ids=str,
)
def test_signatures_that_are_not_checked_are_refused(verify: dict[str, Any], field: str) -> None:
    source = signed_by(**verify)
    reasons = read(source, FluxObjects([])).reasons
    assert any(reason.startswith(field) for reason in reasons), reasons
    assert field.partition(":")[0] in answer("Kustomization", OF_OCI, source).reasons[0]


def test_a_bucket_is_a_source_and_charts_in_it_are_folders() -> None:
    spec = {
        "bucketName": "delivery",
        "endpoint": "minio.minio:9000",
        "interval": "5m",
        "insecure": True,
        "region": "eu-1",
        "prefix": "prod/",
        "ignore": "*.txt",
        "secretRef": {"name": "keys"},
        "timeout": "60s",
    }
    bucket = body("Bucket", "files", spec)
    reference = {"kind": "Bucket", "name": "files"}
    source = application("Kustomization", {**MINIMAL, "sourceRef": reference, "path": "prod"}, bucket).source
    assert (source.repoURL, source.path, source.ignore) == ("s3://minio.minio:9000/delivery", "prod", "*.txt")
    assert (source.bucket.region, source.bucket.prefix, source.bucket.insecure) == ("eu-1", "prod/", True)
    assert source.credentials.secretRef == "keys"
    chart = {"chart": "./charts/web", "valuesFiles": ["prod/values.yaml"], "sourceRef": reference}
    found = application("HelmRelease", {"interval": "10m", "chart": {"spec": chart}}, bucket).source
    assert (found.path, found.helm.valueFiles) == ("charts/web", ("../../prod/values.yaml",))
    assert answer("Kustomization", {**MINIMAL, "sourceRef": reference}, {**bucket, "spec": {**spec, "provider": "aws"}})


def test_a_repository_may_be_read_as_a_github_app() -> None:
    spec = {**GIT["spec"], "provider": "github", "secretRef": {"name": "app"}}
    source = application("Kustomization", MINIMAL, body("GitRepository", "repo", spec)).source
    assert source.credentials.secretRef == "app"


def test_the_secrets_of_a_source_are_kept_by_what_they_are_for() -> None:
    names = {name: {"name": name.lower()} for name in ("secretRef", "certSecretRef", "proxySecretRef")}
    found = application("Kustomization", OF_OCI, body("OCIRepository", "app", {**OCI_SPEC, **names})).source.credentials
    assert found.refs == ("secretref", "certsecretref", "proxysecretref")


SAME_VERSION = "self.metadata.labels['version'] == dep.metadata.labels['version']"


def labelled(name: str, version: str, **spec: Any) -> dict[str, Any]:
    made = kustomization(name, **spec)
    made["metadata"]["labels"] = {"version": version}
    return made


def test_expressions_for_what_is_depended_on_are_kept_with_its_name() -> None:
    depends = [
        {"name": "infra", "readyExpr": " dep.status.a == 1\n"},
        {"name": "db"},
        {"name": "infra", "readyExpr": "self.spec.b"},
    ]
    app = application("Kustomization", {**MINIMAL, "dependsOn": depends})
    assert app.dependsOn == ("flux-system/infra", "flux-system/db")
    assert app.readyExpr == {"flux-system/infra": "(dep.status.a == 1) && (self.spec.b)"}
    found = release(dependsOn=[{"name": "db", "readyExpr": "true"}])
    assert (found.dependsOn, found.readyExpr) == (("flux-system/db-helm",), {"flux-system/db-helm": "true"})


def test_an_expression_says_when_it_is_due_in_place_of_health() -> None:
    apps = labelled("apps", "2", dependsOn=[{"name": "infra", "readyExpr": SAME_VERSION}])
    tree = FluxTree([GIT, apps, labelled("infra", "1", dependsOn=[{"name": "none"}])])
    assert due(tree) == []
    assert tree.left()[Ref("Kustomization", "flux-system", "apps")] == (
        "depends on flux-system/infra (its readyExpr is false)"
    )
    tree = FluxTree([GIT, apps, labelled("infra", "2", dependsOn=[{"name": "none"}])])
    assert due(tree) == ["apps"]


def test_an_expression_sees_how_a_sync_ended() -> None:
    expression = "dep.status.conditions.exists(it, it.type == 'Ready' && it.status == 'True')"
    apps = kustomization("apps", dependsOn=[{"name": "infra", "readyExpr": expression}])
    for well, then in ((True, ["apps"]), (False, [])):
        tree = FluxTree([GIT, apps, kustomization("infra")])
        assert due(tree) == ["infra"]
        assert (
            "cannot be evaluated: no such key: conditions" in tree.left()[Ref("Kustomization", "flux-system", "apps")]
        )
        end(tree, "infra", well=well)
        assert due(tree) == then


def test_what_a_failure_holds_up_is_told() -> None:
    tree = FluxTree([GIT, kustomization("apps", dependsOn=[{"name": "infra"}]), kustomization("infra")])
    due(tree)
    end(tree, "infra", well=False)
    assert due(tree) == []
    assert list(tree.left().values()) == ["depends on flux-system/infra"]


def test_a_source_may_come_later_and_one_that_never_comes_is_told() -> None:
    release = body("HelmRelease", "db", {"interval": "1h", "chartRef": {"kind": "OCIRepository", "name": "app"}})
    tree = FluxTree([GIT, kustomization("all"), release])
    assert due(tree) == ["all"]
    assert list(tree.left().values()) == ["needs OCIRepository flux-system/app, which is not among the objects"]
    end(tree, "all", OCI, kustomization("all"))
    assert due(tree) == ["db"]


def test_one_that_is_refused_is_told_once_and_holds_up_those_that_depend_on_it_alone() -> None:
    bad = kustomization("bad", kubeConfig={"configMapRef": {"name": "x"}})
    tree = FluxTree([GIT, bad, kustomization("good"), kustomization("after", dependsOn=[{"name": "bad"}])])
    found = tree.due()
    assert [(one.ref.name, one.outcome) for one in found] == [("bad", "refused"), ("good", "run")]
    assert list(tree.left()) == [Ref("Kustomization", "flux-system", "after")]


VERIFIED = {"verify": {"provider": "cosign", "secretRef": {"name": "keys"}}}


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        *(
            ("Kustomization", {**MINIMAL, "sourceRef": {"kind": kind, "name": "gone", "namespace": "other"}})
            for kind in ("GitRepository", "OCIRepository", "Bucket", "ExternalArtifact")
        ),
        *(
            ("HelmRelease", {"chart": {"spec": {"chart": "web", "sourceRef": {"kind": kind, "name": "gone"}, **more}}})
            for kind, more in (
                ("HelmRepository", {}),
                ("HelmRepository", VERIFIED),
                ("GitRepository", {}),
                ("Bucket", {}),
            )
        ),
        *(("HelmRelease", {"chartRef": {"kind": kind, "name": "gone"}}) for kind in ("OCIRepository", "HelmChart")),
    ],
)
def test_one_that_is_deleted_needs_no_source(kind: str, spec: dict[str, Any]) -> None:
    leaving = body(kind, "web", {"interval": "1m", **spec})
    assert read(leaving, FluxObjects()).missing is not None
    found = read_leaving(leaving, FluxObjects())
    assert (found.missing, found.reasons) == (None, ())
    app = application_of(found.application)
    assert (app.namespace, app.destination.namespace) == ("flux-system", "flux-system")


def test_one_that_is_deleted_is_read_from_its_source_while_that_is_there() -> None:
    leaving = body("Kustomization", "web", MINIMAL)
    assert read_leaving(leaving, FluxObjects([GIT])) == read(leaving, FluxObjects([GIT]))
    refused = body("GitRepository", "repo", {**GIT["spec"], "verify": {"mode": "HEAD"}})
    assert read(leaving, FluxObjects([refused])).reasons
    assert not read_leaving(leaving, FluxObjects([refused])).reasons
