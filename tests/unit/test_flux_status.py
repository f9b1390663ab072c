"""What sources and releases of Flux are told: the revision and the history that its own tools read."""

from dataclasses import replace
from typing import Any

import pytest

from gitops.compat.flux.objects import Ref
from gitops.controller.flux_history import ReleaseHistories
from gitops.controller.flux_sources import FluxSources
from gitops.controller.flux_status import flux_status, source_revision
from gitops.controller.pass_report import PassResult
from gitops.controller.snapshot import ApplicationSnapshot
from gitops.controller.state import SourceState
from gitops.engine.states import Response
from gitops.model.application import Application, SourceSpec
from gitops.model.health import Health, HealthWord
from gitops.model.revision import Revision
from gitops.testing.clock import SteppedClock

COMMIT, DIGEST = "c" * 40, "d" * 64
GIT, OCI = "https://git.example.com/fleet", "oci://registry.example.com/fleet"


def snapshot(source: SourceSpec, revision: Revision, digest: str = "1" * 64) -> ApplicationSnapshot:
    return ApplicationSnapshot(
        app=Application("web-helm", "apps", source=source),
        source=SourceState(observed_revision=revision),
        last=PassResult(response=Response.SETTLED, digest=digest),
        sync="Synced",
        health=Health(HealthWord.HEALTHY, ""),
        unhealthy=(),
        problem="",
        is_busy=False,
        is_suspended=False,
        synced_at="2026-01-02T00:00:00Z",
        failures=0,
        drift_loops=(),
    )


@pytest.mark.parametrize(
    ("kind", "source", "revision", "told"),
    [
        ("GitRepository", SourceSpec(repoURL=GIT), Revision(COMMIT, "main"), f"main@sha1:{COMMIT}"),
        ("GitRepository", SourceSpec(repoURL=GIT), Revision(COMMIT, ""), f"sha1:{COMMIT}"),
        ("OCIRepository", SourceSpec(repoURL=OCI), Revision(DIGEST, "latest"), f"latest@sha256:{DIGEST}"),
        ("OCIRepository", SourceSpec(repoURL=OCI), Revision(DIGEST, ""), f"sha256:{DIGEST}"),
        ("Bucket", SourceSpec(repoURL="s3://store/apps"), Revision(DIGEST, ""), f"sha256:{DIGEST}"),
        ("HelmRepository", SourceSpec(repoURL=GIT, chart="web"), Revision(DIGEST, "1.2.3"), f"sha256:{DIGEST}"),
        ("HelmChart", SourceSpec(repoURL=GIT, chart="web"), Revision(DIGEST, "1.2.3"), "1.2.3"),
    ],
)
def test_a_source_has_a_revision_as_flux_writes_it(
    kind: str, source: SourceSpec, revision: Revision, told: str
) -> None:
    found, digest = source_revision(kind, snapshot(source, revision))
    assert found == told
    assert digest in (f"sha1:{COMMIT}", f"sha256:{DIGEST}")
    if kind not in ("HelmRepository", "HelmChart"):
        status = flux_status("Kustomization", snapshot(source, revision), 1, "", {})
        assert status["lastAppliedRevision"] == told


@pytest.mark.parametrize(
    ("changed", "ready", "kustomization", "release"),
    [
        ({}, "True", "ReconciliationSucceeded", "UpgradeSucceeded"),
        ({"is_busy": True}, "Unknown", "Progressing", "Progressing"),
        ({"sync": "OutOfSync"}, "False", "ReconciliationFailed", "UpgradeFailed"),
        ({"problem": "it is away"}, "False", "ReconciliationFailed", "UpgradeFailed"),
    ],
)
def test_how_it_stands_has_fluxs_own_words(
    changed: dict[str, Any], ready: str, kustomization: str, release: str
) -> None:
    seen = replace(snapshot(SourceSpec(repoURL=GIT), Revision(COMMIT, "main")), **changed)
    for kind, reason in (("Kustomization", kustomization), ("HelmRelease", release)):
        found = {one["type"]: one for one in flux_status(kind, seen, 1, "", {})["conditions"]}
        assert (found["Ready"]["status"], found["Ready"]["reason"]) == (ready, reason)
        assert ("Reconciling" in found) is (ready == "Unknown")
        assert ("Released" in found) is (kind == "HelmRelease" and ready != "Unknown")


def test_a_release_that_flux_left_keeps_its_history_until_something_else_is_applied() -> None:
    histories, left = ReleaseHistories(), {"version": 4, "chartVersion": "1.2.3", "firstDeployed": "2025"}
    source = SourceSpec(repoURL=GIT, chart="web")
    seen = snapshot(source, Revision(DIGEST, "1.2.3"))

    def told(seen: ApplicationSnapshot, *entries: Any) -> list[Any]:
        before = {"history": list(entries)} if entries else {}
        status = flux_status("HelmRelease", seen, 1, "", before)
        found: list[Any] = histories.with_history(status, seen, before).get("history", [])
        return found

    assert told(seen, left) == [left]
    changed = replace(seen, last=replace(seen.last, digest="2" * 64), source=SourceState(Revision(DIGEST, "1.3.0")))
    newest, older = told(changed, left)
    assert (newest["version"], newest["chartName"], newest["chartVersion"]) == (5, "web", "1.3.0")
    assert older == {**left, "status": "superseded"}
    assert told(changed, newest, older) == [newest, older]
    failed = replace(changed, problem="the chart is not there")
    assert told(failed, newest, older) == [newest, older]
    (first,) = told(seen)
    assert (first["version"], first["chartVersion"], first["status"]) == (1, "1.2.3", "deployed")


def test_what_another_replica_read_later_is_told_and_what_it_read_before_is_not() -> None:
    told: list[Any] = []
    sources = FluxSources(lambda key, status: told.append(status), SteppedClock())
    metadata = {"name": "fleet", "namespace": "apps", "generation": 1}
    body = {"kind": "GitRepository", "metadata": metadata, "status": {"artifact": {"revision": "main@sha1:0"}}}
    sources.read(body, "", "")
    assert told[-1]["artifact"]["revision"] == "main@sha1:0"
    ref = Ref("GitRepository", "apps", "fleet")
    sources.seen((ref,), snapshot(SourceSpec(repoURL=GIT), Revision(COMMIT, "main")))
    assert told[-1]["artifact"]["revision"] == f"main@sha1:{COMMIT}"
    sources.read(body, "", "noon")
    assert (told[-1]["artifact"]["revision"], told[-1]["lastHandledReconcileAt"]) == (f"main@sha1:{COMMIT}", "noon")
    later = {"revision": "main@sha1:1", "lastUpdateTime": "2999-01-01T00:00:00Z"}
    sources.read({**body, "status": {"artifact": later}}, "", "")
    assert told[-1]["artifact"] == later
    count = len(told)
    sources.gone(ref)
    sources.seen((ref,), snapshot(SourceSpec(repoURL=GIT), Revision(COMMIT, "main")))
    assert len(told) == count
