"""Applications that are Flux's Kustomizations: run, told how they are, looked at again and let go, all in memory."""

import hashlib
from dataclasses import replace

import pytest

from gitops.compat.flux.objects import GROUP_OF, Ref
from gitops.config import application_of
from gitops.controller.crd_source import FINALIZER
from gitops.controller.flux import flux_parts
from gitops.controller.flux_source import _KINDS, REQUESTED, FluxResources, FluxSettings
from gitops.controller.registry import Registration
from gitops.controller.status_writer import StatusWriter
from gitops.manifests.key import ResourceKey
from gitops.model.errors import UnreachableError
from gitops.model.kinds import KindInfo
from gitops.testing.cluster import MemoryCluster
from tests.unit.controlled import Controlled
from tests.unit.desk import SPACE, config_map
from tests.unit.test_custom_resources import VERBS

A, B = config_map("a", x="1"), config_map("b", x="1")
URL = "https://git.example.com/shop.git"


def key(kind, name="app", namespace="shop"):
    return ResourceKey(GROUP_OF[kind], kind, namespace, name)


def ref(kind, name, namespace="shop"):
    return Ref(kind, namespace, name)


def flux_body(kind, spec, name, namespace="shop", **metadata):
    version = f"{GROUP_OF[kind]}/v1"
    return {
        "apiVersion": version,
        "kind": kind,
        "metadata": {"name": name, "namespace": namespace, **metadata},
        "spec": spec,
    }


class Fluxed(Controlled):
    """A controller of Flux's objects, joined as `bootstrap_controller` does."""

    cross_namespace = True

    def __init__(self, folder):
        super().__init__(folder)
        kinds = [KindInfo(GROUP_OF[kind], "v1", kind, f"{kind.lower()}s", True, VERBS) for kind in _KINDS]
        self.cluster = MemoryCluster([SPACE], kinds)
        self.tokens = {}
        self.asked = []  # who was to be looked at again
        self.reads = []  # the Applications that were read from an object

    def given(self, apps):
        return apps

    def parts(self):
        writer = StatusWriter(self.cluster, self.controller, self.clock)
        self.controller.on_status = writer.changed
        settings = FluxSettings("", self.cross_namespace)
        self.flux = FluxResources(self.cluster, self.clock, settings, self.read, self.controller.registry)
        parts = flux_parts(self.flux, self.controller, writer, lambda space, name: self.tokens.get((space, name)))
        ask = self.flux.asked

        async def asked(identity):
            self.asked.append(identity)
            await ask(identity)

        self.flux.asked = asked
        return [("statuses", writer.run()), *parts]

    def read(self, body):
        self.reads.append(body["metadata"]["name"])
        return application_of(body)

    def repository(self, name="git", namespace="shop", **spec):
        spec = {"url": URL, "interval": "1m", "ref": {"branch": "main"}, **spec}
        return self.cluster.put(flux_body("GitRepository", spec, name, namespace))

    def kustomization(self, name="app", source=None, **spec):
        source = source or {"kind": "GitRepository", "name": "git"}
        spec = {"interval": "1m", "path": "./", "prune": True, "sourceRef": source, **spec}
        return self.cluster.put(flux_body("Kustomization", spec, name))

    def annotate(self, kind, name, **annotations):
        body = self.cluster.body(key(kind, name))
        self.cluster.put({**body, "metadata": {**body["metadata"], "annotations": annotations}})

    def status(self, kind="Kustomization", name="app"):
        return (self.cluster.body(key(kind, name)) or {}).get("status") or {}

    def condition(self, word="Ready", kind="Kustomization", name="app"):
        found = {item["type"]: item for item in self.status(kind, name).get("conditions", [])}
        return found.get(word, {})

    def is_ready(self):
        return self.condition().get("status") == "True"

    def finalizers(self, name="app"):
        return (self.cluster.body(key("Kustomization", name)) or {"metadata": {}})["metadata"].get("finalizers") or []

    @property
    def state(self):
        states = [state for state in self.controller.index if state.identity.endswith("/app")]
        return states[0] if states else None


@pytest.fixture
def fluxed(tmp_path):
    """A controller at work, and a commit; nothing of Flux is there yet."""
    made = Fluxed(tmp_path)
    made.head = made.commit(A)
    made.begin()
    yield made
    made.end()


def heard_of(fluxed):
    """The Applications whose objects were seen to change."""
    seen = []
    fluxed.flux.seen = seen.append
    return seen


def synced(fluxed, **spec):
    fluxed.repository()
    fluxed.kustomization(**spec)
    fluxed.until(fluxed.is_ready)
    return fluxed


def test_a_kustomization_is_synced_and_told_so_as_flux_does(fluxed):
    synced(fluxed)
    revision = f"main@sha1:{fluxed.head}"
    status = fluxed.status()
    assert (status["lastAppliedRevision"], status["lastAttemptedRevision"]) == (revision, revision)
    assert status["inventory"]["entries"] == [{"id": "shop_a__ConfigMap", "v": "v1"}]
    assert fluxed.condition()["reason"] == "ReconciliationSucceeded"
    assert fluxed.live(A)["data"] == {"x": "1"}
    fluxed.let_pass(2)
    assert fluxed.status("GitRepository", "git")["artifact"]["revision"] == revision


def test_a_source_that_comes_later_is_waited_for(fluxed):
    fluxed.kustomization()
    fluxed.until(lambda: fluxed.condition().get("status") == "False")
    assert fluxed.condition()["message"] == "GitRepository shop/git is not there"
    fluxed.repository()
    fluxed.until(fluxed.is_ready)
    assert fluxed.live(A) is not None


def test_a_source_that_changes_has_those_looked_at_that_name_it(fluxed):
    synced(fluxed)
    fluxed.repository(url="https://git.example.com/other.git")
    fluxed.let_pass(3)
    assert fluxed.state.app.source.repoURL == "https://git.example.com/other.git"


def test_a_source_that_goes_is_told_and_what_runs_stays(fluxed):
    synced(fluxed)
    fluxed.cluster.take(key("GitRepository", "git"))
    fluxed.until(lambda: fluxed.condition().get("message") == "GitRepository shop/git is not there")
    fluxed.let_pass(5)
    assert fluxed.live(A) is not None


def test_a_source_that_is_made_again_as_it_was_is_told_again(fluxed):
    def is_told():
        return fluxed.condition(kind="GitRepository", name="git").get("status") == "True"

    fluxed.repository()
    fluxed.until(is_told)
    fluxed.cluster.take(key("GitRepository", "git"))
    fluxed.let_pass(2)
    fluxed.repository()
    fluxed.until(is_told)


def test_one_that_prunes_has_our_finalizer_and_one_that_does_not_has_none(fluxed):
    synced(fluxed)
    fluxed.until(lambda: fluxed.finalizers() == [FINALIZER])
    body = fluxed.cluster.body(key("Kustomization"))
    metadata = {**body["metadata"], "finalizers": ["theirs", *body["metadata"]["finalizers"]]}
    fluxed.cluster.put({**body, "metadata": metadata, "spec": {**body["spec"], "prune": False}})
    fluxed.until(lambda: fluxed.finalizers() == ["theirs"])


def test_a_deleted_one_takes_what_it_owns_along(fluxed):
    synced(fluxed)
    fluxed.until(lambda: fluxed.finalizers() == [FINALIZER])
    fluxed.cluster.take(key("Kustomization"))
    fluxed.until(lambda: fluxed.cluster.body(key("Kustomization")) is None)
    assert fluxed.live(A) is None
    fluxed.until(lambda: fluxed.state is None)


def test_a_deleted_one_that_does_not_prune_leaves_what_it_owns(fluxed):
    synced(fluxed, prune=False)
    fluxed.let_pass(3)
    assert fluxed.finalizers() == []
    fluxed.cluster.take(key("Kustomization"))
    fluxed.until(lambda: fluxed.state is None)
    assert fluxed.live(A) is not None


def test_a_finalizer_of_flux_does_not_hold_up_one_that_does_not_prune(fluxed):
    fluxed.repository()
    made = fluxed.kustomization(prune=False)
    held = {**made, "metadata": {**made["metadata"], "finalizers": ["finalizers.fluxcd.io"]}}
    fluxed.cluster.put(held)
    fluxed.until(fluxed.is_ready)
    fluxed.let_pass(3)
    assert [verb for verb, _ in fluxed.cluster.calls if verb == "replace_finalizers"] == []
    seen = heard_of(fluxed)
    fluxed.cluster.take(key("Kustomization"))
    fluxed.until(lambda: fluxed.cluster.body(key("Kustomization")) is None)
    assert fluxed.live(A) is not None
    assert set(seen) == {"shop/app"}


def test_while_its_kind_is_being_deleted_what_it_owns_stays(fluxed):
    synced(fluxed)
    fluxed.until(lambda: fluxed.finalizers() == [FINALIZER])
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "kustomizations.kustomize.toolkit.fluxcd.io", "finalizers": ["theirs"]},
    }
    fluxed.cluster.put(definition)
    place = ResourceKey("apiextensions.k8s.io", "CustomResourceDefinition", "", definition["metadata"]["name"])
    identity = fluxed.state.identity
    assert fluxed.wait(fluxed.flux.reason_to_stay(identity)) == ""
    fluxed.cluster.take(place)
    said = "its deletion waits: every Kustomization is being deleted, since kustomizations.kustomize"
    assert fluxed.wait(fluxed.flux.reason_to_stay(identity)).startswith(said)
    assert fluxed.wait(fluxed.flux.reason_to_stay("shop/none")) == ""
    fluxed.cluster.take(key("Kustomization"))
    fluxed.let_pass(20)
    assert fluxed.live(A) is not None


def test_one_that_cannot_be_run_is_told_why(fluxed):
    fluxed.repository()
    fluxed.kustomization(source={"kind": "Nothing", "name": "git"})
    fluxed.until(lambda: fluxed.condition().get("status") == "False")
    assert "spec.sourceRef.kind" in fluxed.condition()["message"]
    assert fluxed.condition("Stalled")["status"] == "True"
    assert fluxed.live(A) is None


def test_one_that_is_gone_is_not_asked_when_its_source_changes(fluxed):
    synced(fluxed)
    for name in ("aaa", "other"):
        fluxed.kustomization(name, path=f"./{name}", prune=False)
        fluxed.let_pass(2)
        fluxed.cluster.take(key("Kustomization", name))
        fluxed.until(lambda: fluxed.cluster.body(key("Kustomization", name)) is None)  # noqa: B023
    fluxed.repository(url="https://git.example.com/other.git")
    fluxed.until(lambda: fluxed.state.app.source.repoURL == "https://git.example.com/other.git")


def test_what_is_asked_for_in_fluxs_way_is_looked_at_and_told(fluxed):
    synced(fluxed, interval="1h")
    looks = fluxed.repositories.looks
    fluxed.annotate("Kustomization", "app", **{REQUESTED: "now"})
    fluxed.until(lambda: fluxed.status().get("lastHandledReconcileAt") == "now")
    fluxed.let_pass(5)
    assert fluxed.asked == ["shop/app"]
    assert fluxed.repositories.looks > looks
    fluxed.annotate("GitRepository", "git", **{REQUESTED: "then"})
    fluxed.until(lambda: fluxed.status("GitRepository", "git").get("lastHandledReconcileAt") == "then")
    fluxed.let_pass(5)
    assert fluxed.asked == ["shop/app"] * 2


def test_what_was_asked_for_before_we_came_is_told_and_not_done_again(tmp_path):
    made = Fluxed(tmp_path)
    made.commit(A)
    made.repository()
    made.kustomization()
    made.annotate("Kustomization", "app", **{REQUESTED: "before"})
    made.begin()
    made.until(lambda: made.status().get("lastHandledReconcileAt") == "before")
    made.let_pass(5)
    made.end()
    assert made.asked == []


def test_who_is_made_from_which_is_known(fluxed):
    synced(fluxed)
    fluxed.repository("another")
    fluxed.kustomization("other", path="./other")
    fluxed.kustomization("third", {"kind": "GitRepository", "name": "another"}, path="./third")
    fluxed.let_pass(3)
    made_from = fluxed.flux.made_from
    assert made_from(ref("GitRepository", "git")) == {"shop/app", "shop/other"}
    assert made_from(ref("Kustomization", "app")) == {"shop/app"}
    every = {"shop/app", "shop/other", "shop/third"}
    assert made_from(ref("Kustomization", "*")) == made_from(ref("GitRepository", "*")) == every
    for nobody in (ref("GitRepository", "none"), ref("Kustomization", "*", "other"), ref("Bucket", "*")):
        assert made_from(nobody) == set()
    assert fluxed.flux.sources_of("shop/app") == {ref("GitRepository", "git")}
    assert fluxed.flux.sources_of("shop/third") == {ref("GitRepository", "another")}
    assert fluxed.flux.revision_of("shop/app") == (ref("GitRepository", "git"),)
    assert fluxed.flux.revision_of("shop/none") == ()


def test_an_artifact_that_changes_has_those_looked_at_that_are_made_of_it(fluxed):
    fluxed.repository()
    fluxed.kustomization(source={"kind": "ExternalArtifact", "name": "part"})
    fluxed.until(lambda: fluxed.condition().get("status") == "False")

    def generator(folder):
        copies = [{"from": f"@all/{folder}/**", "to": "@artifact/"}]
        sources = [{"alias": "all", "kind": "GitRepository", "name": "git"}]
        spec = {"sources": sources, "artifacts": [{"name": "part", "originRevision": "@all", "copy": copies}]}
        body = flux_body("ArtifactGenerator", spec, "split")
        fluxed.cluster.put({**body, "apiVersion": "source.extensions.fluxcd.io/v1beta1"})

    generator("one")
    fluxed.until(lambda: fluxed.state is not None and fluxed.state.app.source.path == "one")
    generator("two")
    fluxed.until(lambda: fluxed.state.app.source.path == "two")
    assert fluxed.flux.made_from(ref("GitRepository", "git")) == {"shop/app"}


def test_a_name_that_a_file_has_already_is_told(fluxed):
    taken = replace(fluxed.app, namespace="shop")
    fluxed.controller.registry.put("a file", Registration(taken, trusted=True))
    fluxed.repository()
    fluxed.kustomization()
    said = "an Application of this name comes from a file; take it out there"
    fluxed.until(lambda: fluxed.condition().get("message") == said)


def test_the_object_of_an_application_is_read_as_it_is_now(fluxed):
    synced(fluxed)
    assert fluxed.wait(fluxed.flux.resource(fluxed.state.identity))["kind"] == "Kustomization"
    assert fluxed.wait(fluxed.flux.resource("shop/none")) is None


def test_the_labels_of_an_object_are_those_of_its_application(fluxed):
    made = synced(fluxed).cluster.body(key("Kustomization"))
    seen = heard_of(fluxed)
    fluxed.cluster.put({**made, "metadata": {**made["metadata"], "labels": {"team": "blue"}}})
    fluxed.until(lambda: fluxed.state.app.labels == {"team": "blue"})
    assert set(seen) == {"shop/app"}


def test_a_finalizer_that_may_not_be_written_is_tried_again(fluxed):
    fluxed.cluster.refuse("replace_finalizers", key("Kustomization"), 403, "Forbidden")
    synced(fluxed)
    fluxed.let_pass(5)
    assert fluxed.finalizers() == []
    fluxed.cluster.refuse("replace_finalizers", key("Kustomization"), 0)
    fluxed.until(lambda: fluxed.finalizers() == [FINALIZER])


def test_a_cluster_that_is_away_has_a_finalizer_later(fluxed):
    fluxed.cluster.refuse_with("replace_finalizers", key("Kustomization"), UnreachableError("nobody answers"))
    synced(fluxed)
    fluxed.let_pass(5)
    assert fluxed.finalizers() == []
    fluxed.cluster.refuse("replace_finalizers", key("Kustomization"), 0)
    fluxed.until(lambda: fluxed.finalizers() == [FINALIZER])


def test_a_conflict_over_finalizers_is_not_fought_out(fluxed):
    fluxed.cluster.refuse("replace_finalizers", key("Kustomization"), 409, "Conflict")
    synced(fluxed)
    fluxed.let_pass(5)
    tries = [verb for verb, _ in fluxed.cluster.calls].count("replace_finalizers")
    fluxed.let_pass(10)
    assert [verb for verb, _ in fluxed.cluster.calls].count("replace_finalizers") == tries
    fluxed.cluster.refuse("replace_finalizers", key("Kustomization"), 0)
    fluxed.cluster.put({**fluxed.cluster.body(key("Kustomization")), "status": {"seen": "by another"}})
    fluxed.until(lambda: fluxed.finalizers() == [FINALIZER])


def test_a_finalizer_of_ours_has_nothing_read_again_and_one_that_goes_is_set_anew(fluxed):
    synced(fluxed)
    fluxed.until(lambda: fluxed.finalizers() == [FINALIZER])
    fluxed.let_pass(5)
    assert fluxed.reads == ["app"]
    body = fluxed.cluster.body(key("Kustomization"))
    fluxed.cluster.put({**body, "metadata": {**body["metadata"], "finalizers": []}})
    fluxed.let_pass(1)
    fluxed.until(lambda: fluxed.finalizers() == [FINALIZER])


def test_a_status_that_is_written_has_nothing_read_again(fluxed):
    synced(fluxed)
    fluxed.until(lambda: fluxed.finalizers() == [FINALIZER])
    fluxed.let_pass(5)
    seen = heard_of(fluxed)
    reads, body = len(fluxed.reads), fluxed.cluster.body(key("Kustomization"))
    fluxed.cluster.put({**body, "status": {**body["status"], "more": "1"}})
    fluxed.until(lambda: seen == ["shop/app"])
    assert len(fluxed.reads) == reads
    fluxed.cluster.put({**body, "spec": {**body["spec"], "path": "./other"}})
    fluxed.until(lambda: fluxed.state.app.source.path == "other")


@pytest.mark.parametrize("kind", ["Kustomization", "GitRepository"])
def test_what_goes_while_nobody_watches_is_let_go_afterwards(fluxed, kind):
    synced(fluxed, prune=False)
    place = ResourceKey(GROUP_OF[kind], kind, "", "")
    for verb in ("watch", "list"):
        fluxed.cluster.refuse_with(verb, place, UnreachableError("nobody answers"))
    fluxed.cluster.end_watches()
    fluxed.let_pass(2)
    fluxed.cluster.take(key(kind, {"Kustomization": "app", "GitRepository": "git"}[kind]))
    fluxed.let_pass(2)
    assert fluxed.state is not None
    for verb in ("watch", "list"):
        fluxed.cluster.refuse(verb, place, 0)
    if kind == "Kustomization":
        fluxed.until(lambda: fluxed.state is None)
    else:
        fluxed.until(lambda: fluxed.condition().get("message") == "GitRepository shop/git is not there")


def test_an_object_that_is_gone_unseen_is_kept_by_nobody_and_brought_back_by_nobody(fluxed):
    synced(fluxed, prune=False)
    origin = fluxed.wait(fluxed.controller.resources.origin("shop/app"))
    assert (origin.place, origin.is_resource) == ("the Kustomization shop/app", True)
    assert origin.stays.startswith("its spec says that what it owns stays when it is deleted")
    place = ResourceKey(GROUP_OF["Kustomization"], "Kustomization", "", "")
    for verb in ("watch", "list"):
        fluxed.cluster.refuse_with(verb, place, UnreachableError("nobody answers"))
    fluxed.cluster.end_watches()
    fluxed.let_pass(2)
    fluxed.cluster.take(key("Kustomization"))
    origin = fluxed.wait(fluxed.controller.resources.origin("shop/app"))
    assert (origin.is_resource, origin.stays, origin.brought_back_by) == (True, "", "")


def test_sources_of_other_namespaces_may_be_forbidden(tmp_path):
    made = Fluxed(tmp_path)
    made.cross_namespace = False
    made.commit(A)
    made.begin()
    made.cluster.put({**SPACE, "metadata": {"name": "other"}})
    made.repository(namespace="other")
    made.kustomization(source={"kind": "GitRepository", "name": "git", "namespace": "other"})
    made.until(lambda: made.condition().get("status") == "False")
    assert made.condition()["message"] == (
        "sources of other namespaces may not be named here (--no-cross-namespace-refs)"
    )
    made.repository()
    made.kustomization()
    made.until(made.is_ready)
    made.end()


def test_one_that_may_not_be_run_for_its_source_is_let_go_all_the_same(tmp_path):
    made = Fluxed(tmp_path)
    made.cross_namespace = False
    made.commit(A)
    made.begin()
    made.cluster.put({**SPACE, "metadata": {"name": "other"}})
    made.repository(namespace="other")
    source = {"kind": "GitRepository", "name": "git", "namespace": "other"}
    body = made.kustomization(source=source)
    made.cluster.put({**body, "metadata": {**body["metadata"], "finalizers": [FINALIZER]}})
    made.until(lambda: made.condition().get("status") == "False")
    made.cluster.take(key("Kustomization"))
    made.until(lambda: made.cluster.body(key("Kustomization")) is None)
    made.end()


# ── Receivers ────────────────────────────────────────────────────────────────────────────────────────────────────────


def receiver(fluxed, kind="github", **spec):
    resources = [{"kind": "GitRepository", "name": "git"}]
    spec = {"type": kind, "secretRef": {"name": "token"}, "resources": resources, **spec}
    fluxed.cluster.put(flux_body("Receiver", spec, "hook"))


def ready_text(fluxed):
    return fluxed.condition("Ready", "Receiver", "hook").get("message", "")


PATH = hashlib.sha256(b"wordhookshop").hexdigest()


def test_a_receiver_has_the_path_that_flux_makes_and_wakes_what_it_names(fluxed):
    synced(fluxed)
    fluxed.tokens["shop", "token"] = {"token": b"word\n"}
    receiver(fluxed)
    fluxed.until(lambda: ready_text(fluxed) == f"Receiver initialized for path: /hook/{PATH}")
    assert fluxed.status("Receiver", "hook")["webhookPath"] == f"/hook/{PATH}"
    found = fluxed.controller.resources.receivers.find(PATH)
    assert (found.kind, found.secret) == ("github", "word")
    assert fluxed.controller.resources.receivers.find("other") is None
    looks = fluxed.repositories.looks

    async def woken():
        return found.wake()

    assert fluxed.wait(woken()) == 1
    fluxed.let_pass(2)
    assert fluxed.repositories.looks > looks


def test_a_receiver_whose_token_comes_later_is_ready_then(fluxed):
    receiver(fluxed, "generic")
    fluxed.until(lambda: ready_text(fluxed) == "spec.secretRef: that Secret has no token")
    assert "webhookPath" not in fluxed.status("Receiver", "hook")
    fluxed.tokens["shop", "token"] = {"token": b"word"}
    fluxed.let_pass(62)
    assert fluxed.controller.resources.receivers.find(PATH).kind == "unsigned"


def test_a_receiver_of_a_kind_that_nobody_takes_says_so(fluxed):
    receiver(fluxed, "gcr")
    fluxed.until(lambda: ready_text(fluxed) == "spec.type: gcr is not taken here")
    assert fluxed.condition("Ready", "Receiver", "hook")["status"] == "False"


def test_a_suspended_receiver_has_no_path_that_answers(fluxed):
    fluxed.tokens["shop", "token"] = {"token": b"word"}
    receiver(fluxed, suspend=True)
    fluxed.until(lambda: ready_text(fluxed) != "")
    assert fluxed.controller.resources.receivers.find(PATH) is None


def test_a_receiver_that_goes_is_forgotten(fluxed):
    fluxed.tokens["shop", "token"] = {"token": b"word"}
    receiver(fluxed)
    fluxed.until(lambda: fluxed.controller.resources.receivers.find(PATH) is not None)
    fluxed.cluster.take(key("Receiver", "hook"))
    fluxed.until(lambda: fluxed.controller.resources.receivers.find(PATH) is None)
