"""How an Application stands, by its inventory and what is live."""

import asyncio

import pytest

from gitops.engine.inventory import Inventory, LastHealthy, parent_key
from gitops.engine.inventory_parent import parent_body
from gitops.manifests.key import key_of
from gitops.model.application import Application, HealthRule, SourceSpec
from gitops.model.errors import ConfigError
from gitops.model.release import BY_HAND, Quarantine
from gitops.model.spec import spec_text
from gitops.sync.standing import application_in, reason_unready, standing_of
from gitops.testing.cluster import MemoryCluster

SHA = "0123456789abcdef0123456789abcdef01234567"
HEALTHY = LastHealthy(SHA, "main", "d1", "2026-01-01T00:00:00Z")


def app_of(*sources, **fields):
    return Application("app", "gitops", source=sources[0], sources=sources[1:], **fields)


def inventory(app=None, **fields):
    app = app or app_of(SourceSpec(repoURL="https://git.example.com/shop.git"))
    fields = {"source": app.source_name, "spec": spec_text(app), "synced": "d1", "healthy": HEALTHY, **fields}
    return Inventory("gitops/app", parent_key("app", "shop"), **fields)


def deployment(name, ready=1, **annotations):
    tracking = {"gitops.dev/tracking-id": f"app:apps/Deployment:shop/{name}", **annotations}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop", "annotations": tracking, "generation": 1},
        "spec": {"replicas": 1, "selector": {}},
        "status": {
            "observedGeneration": 1,
            "replicas": 1,
            "updatedReplicas": 1,
            "readyReplicas": ready,
            "availableReplicas": ready,
            "conditions": [{"type": "Available", "status": "True" if ready else "False"}],
        },
    }


# ── the Application that an inventory remembers ──────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "source",
    [
        SourceSpec(repoURL="https://git.example.com/shop.git", path="."),
        SourceSpec(repoURL="https://git.example.com/shop.git", path="deploy/prod"),
        SourceSpec(repoURL="https://charts.example.com/stable", chart="redis", path="."),
        SourceSpec(repoURL="oci://registry.example.com/charts", chart="redis", path="."),
        SourceSpec(repoURL="oci://registry.example.com/packed", path="apps"),
    ],
    ids=lambda source: source.name,
)
def test_a_source_is_remembered_whatever_its_kind(source):
    (found,) = application_in(inventory(app_of(source))).all_sources
    assert (found.repoURL, found.chart, found.path) == (source.repoURL, source.chart, source.path)


def test_several_sources_are_remembered_in_their_order():
    app = Application(
        "app",
        "gitops",
        sources=(
            SourceSpec(repoURL="https://git.example.com/a.git", path="x"),
            SourceSpec(repoURL="https://charts.example.com", chart="redis"),
        ),
    )
    assert [source.repoURL for source in application_in(inventory(app)).all_sources] == [
        "https://git.example.com/a.git",
        "https://charts.example.com",
    ]


def test_names_that_are_more_or_fewer_than_the_sources_are_refused():
    with pytest.raises(ConfigError, match="its spec has 1 sources, and it names 2"):
        application_in(inventory(source="https://git.example.com/a.git + https://git.example.com/b.git"))


@pytest.mark.parametrize("word", ["degraded", "suspended", "progressing", "healthy"])
def test_a_health_rule_that_may_run_for_ever_is_refused_whichever_word_it_gives(word):
    rule = HealthRule("example.dev", "Thing", **{word: "status.l.map(x, x) == []"})
    app = app_of(SourceSpec(repoURL="https://git.example.com/shop.git"), health=(rule,))
    with pytest.raises(ConfigError, match="a health rule in its spec cannot be used"):
        application_in(inventory(app))


# ── its objects ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_is_not_there_is_missing_and_a_job_that_has_done_its_work_is_not():
    here, gone = key_of(deployment("here")), key_of(deployment("gone"))
    job = key_of({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "done", "namespace": "shop"}})
    found = inventory(keys=frozenset({here, gone, job}), completed_jobs={job: "u1"})
    cluster = MemoryCluster([deployment("here")])
    standing = asyncio.run(standing_of(cluster, found))
    assert [(member.key.name, member.health.word.value, member.kstatus) for member in standing.objects] == [
        ("gone", "Missing", "NotFound"),
        ("here", "Healthy", "Current"),
        ("done", "Healthy", "Current"),
    ]
    assert standing.health.word.value == "Missing"


@pytest.mark.parametrize(
    ("healthy", "told"),
    [
        (None, "(none healthy yet)"),
        (HEALTHY, "main@0123456789ab"),
        (LastHealthy(SHA, "", "d1", ""), "0123456789ab"),
    ],
)
def test_the_last_healthy_revision_is_told_as_people_write_it(healthy, told):
    assert asyncio.run(standing_of(MemoryCluster(), inventory(healthy=healthy))).revision == told


# ── whether another may go on after it ───────────────────────────────────────────────────────────────────────────────


def why(*bodies, **fields):
    cluster = MemoryCluster(bodies)
    if fields.pop("exists", True):
        cluster.put(parent_body(inventory(keys=frozenset(map(key_of, bodies)), **fields), "test"))
    return asyncio.run(reason_unready(cluster, None, "gitops/app"))


def test_what_is_synced_and_healthy_holds_nobody_up():
    assert why(deployment("web")) == ""


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"exists": False}, "it has not been synced to this cluster"),
        (
            {"quarantine": Quarantine(SHA, "d2", "the rollout failed", "2026-01-01T00:00:00Z")},
            "its revision 0123456789ab failed",
        ),
        (
            {"quarantine": Quarantine(SHA, "d2", f"{BY_HAND}ada", "2026-01-01T00:00:00Z")},
            "its revision 0123456789ab was rolled back by ada",
        ),
        ({"healthy": None}, "its last sync has not become healthy"),
        ({"synced": "d2"}, "its last sync has not become healthy"),
    ],
)
def test_what_is_not_ready_says_why(fields, told):
    assert why(deployment("web"), **fields) == told


def test_an_object_that_is_ill_is_named_by_what_it_says():
    assert why(deployment("web", ready=0)).startswith("it is Progressing: ")
