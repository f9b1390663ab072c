"""Applications that are custom resources: they are run, told how they are, and let go, on a cluster in memory."""

import asyncio
from functools import partial

import pytest

from gitops.config import application_of
from gitops.controller.automatic_sync import LATER
from gitops.controller.crd_source import FINALIZER, CustomResources
from gitops.controller.registry import Registration
from gitops.controller.replica import Alone
from gitops.controller.status_writer import StatusWriter
from gitops.engine.plan_input import PlanOptions
from gitops.engine.states import Response
from gitops.manifests.key import ResourceKey, key_of
from gitops.model.application import KIND
from gitops.model.errors import UnreachableError
from gitops.model.kinds import KindInfo
from gitops.model.operator_command import DELETE, SYNC
from gitops.model.result import Outcome
from gitops.rendering import render
from gitops.sync.context import Request, SyncContext
from gitops.sync.uninstall import planned_deletion
from gitops.testing.cluster import MemoryCluster
from tests.unit.controlled import Controlled
from tests.unit.desk import SPACE, config_map
from tests.unit.test_controller_passes import answer
from tests.unit.test_passes import deployment

A, B, WEB = config_map("a", x="1"), config_map("b", x="1"), deployment("web:1")
VERBS = frozenset({"get", "list", "watch", "create", "update", "patch", "delete"})
KIND_INFO = KindInfo("gitops.dev", "v1alpha1", KIND, "applications", True, VERBS)
RESOURCE = ResourceKey("gitops.dev", KIND, "gitops", "app")
DEFINITION = ResourceKey("apiextensions.k8s.io", "CustomResourceDefinition", "", "applications.gitops.dev")


class Resourced(Controlled):
    """A controller of the custom resources of its cluster, joined as `bootstrap_controller` does."""

    def __init__(self, folder):
        super().__init__(folder)
        self.cluster = MemoryCluster([SPACE], [KIND_INFO])
        self.reads = 0

    def commit(self, *bodies):
        self.head = super().commit(*bodies)

    def given(self, apps):
        return apps

    def parts(self):
        writer = StatusWriter(self.cluster, self.controller, self.clock)
        self.controller.on_status = writer.changed
        read = self.controller.registry, writer.wrong
        self.own = CustomResources(self.cluster, self.clock, "", self.read, *read)
        self.own.gone = writer.gone
        self.controller.resources.add(KIND, self.own)
        return [("statuses", writer.run()), ("applications", self.own.run())]

    def read(self, body):
        self.reads += 1
        return application_of(body)

    def make(self, finalizers=(), name=RESOURCE.name, **spec):
        """Make the resource, or give it another spec."""
        sync = {"prune": True, "automated": True}
        whole = {
            "source": {"repoURL": "https://git.example.com/shop.git"},
            "destination": {"namespace": "shop"},
            "sync": sync,
            "interval": "200ms",
            **spec,
        }
        metadata = {"name": name, "namespace": RESOURCE.namespace, "finalizers": [*finalizers]}
        return self.cluster.put(
            {"apiVersion": "gitops.dev/v1alpha1", "kind": KIND, "metadata": metadata, "spec": whole}
        )

    @property
    def status(self):
        return (self.cluster.body(RESOURCE) or {}).get("status") or {}

    def condition(self, name):
        found = {item["type"]: item for item in self.status.get("conditions", [])}
        return found.get(name, {})

    def is_ready(self):
        return self.condition("Ready").get("status") == "True"

    def told(self):
        """How often its status was written."""
        return self.cluster.calls.count(("apply_status", RESOURCE))

    def of_kind_event(self):
        """The Events about it."""

        async def listed():
            return (await self.cluster.list("", "Event", RESOURCE.namespace)).items

        return self.wait(listed())


@pytest.fixture
def controlled(tmp_path):
    """A controller at work, and a first commit; no resource is there yet."""
    found = Resourced(tmp_path)
    found.commit(A)
    found.begin()
    yield found
    found.end()


def synced(controlled, **made):
    controlled.make(**made)
    controlled.until(controlled.is_ready)
    return controlled


def test_a_resource_is_synced_and_told_so(controlled):
    made = controlled.make()
    controlled.until(controlled.is_ready)
    status = controlled.status
    assert status["observedGeneration"] == made["metadata"]["generation"]
    assert (status["sync"]["status"], status["health"]["status"], status["drift"]) == ("Synced", "Healthy", 0)
    assert status["sync"]["revision"] == status["lastSync"]["revision"] == controlled.head
    assert status["lastSync"]["outcome"] == "synced"
    words = {item["type"]: item["status"] for item in status["conditions"]}
    assert words == {"Ready": "True", "Reconciling": "False", "Stalled": "False"}
    assert controlled.live(A)["data"] == {"x": "1"}


def test_a_status_that_is_written_has_nothing_read_again(controlled):
    synced(controlled)
    controlled.let_pass(5)
    seen = []
    controlled.own.seen = seen.append
    reads, body = controlled.reads, controlled.cluster.body(RESOURCE)
    controlled.cluster.put({**body, "status": {**body["status"], "more": "1"}})
    controlled.until(lambda: seen == ["gitops/app"])
    assert controlled.reads == reads
    controlled.cluster.put({**body, "metadata": {**body["metadata"], "labels": {"team": "blue"}}})
    controlled.until(lambda: controlled.reads == reads + 1)
    controlled.make(interval="300ms")
    controlled.until(lambda: [state.app.interval for state in controlled.controller.index] == [0.3])


def test_one_event_tells_of_each_new_outcome(controlled):
    made = controlled.make()
    controlled.until(controlled.is_ready)
    for _ in range(5):
        controlled.let_pass(5)
        controlled.controller.on_status(controlled.state)
    (event,) = controlled.of_kind_event()
    assert (event["type"], event["reason"], event["involvedObject"]["uid"]) == (
        "Normal",
        "Synced",
        made["metadata"]["uid"],
    )
    assert event["involvedObject"]["apiVersion"] == "gitops.dev/v1alpha1"
    assert event["message"].startswith(controlled.head[:12])
    assert answer(controlled, controlled.ask(SYNC))[0] is Outcome.IN_SYNC
    controlled.let_pass(5)
    assert list(controlled.of_kind_event()) == [event], "that nothing was to be done is no news"
    controlled.commit(config_map("a", x="2"))
    controlled.until(lambda: len(controlled.of_kind_event()) == 2)


def test_a_status_is_not_written_again_while_it_stays_the_same(controlled):
    synced(controlled)
    controlled.let_pass(5)
    before = controlled.told()
    controlled.let_pass(120)
    assert controlled.told() == before


def test_a_condition_keeps_its_time_for_as_long_as_its_word(controlled):
    synced(controlled)
    since = controlled.condition("Ready")["lastTransitionTime"]
    controlled.let_pass(60)
    controlled.commit(A, B)
    controlled.until(lambda: controlled.status["sync"]["revision"] == controlled.head and controlled.is_ready())
    assert controlled.condition("Stalled")["lastTransitionTime"] <= since
    assert controlled.condition("Ready")["lastTransitionTime"] >= since


def test_a_rollout_under_way_is_not_ready(controlled):
    controlled.commit(WEB)
    controlled.make()
    controlled.until(lambda: controlled.condition("Reconciling").get("status") == "True" and controlled.live(WEB))
    controlled.let_pass(2)
    words = {item["type"]: item["status"] for item in controlled.status["conditions"]}
    assert words == {"Ready": "False", "Reconciling": "True", "Stalled": "False"}


def test_one_that_is_held_is_stalled(controlled):
    controlled.cluster.put(config_map("a", x="0"), "operator")
    controlled.make()
    controlled.until(lambda: controlled.condition("Stalled").get("status") == "True")
    assert "another manager owns" in controlled.condition("Ready")["message"]
    assert controlled.condition("Ready")["status"] == controlled.condition("Reconciling")["status"] == "False"


def test_another_fault_of_a_spec_is_told_too(controlled):
    synced(controlled)
    controlled.make(never="so")
    controlled.until(lambda: "spec.never" in controlled.condition("Ready").get("message", ""))
    controlled.make(neither="so")
    controlled.until(lambda: "spec.neither" in controlled.condition("Ready").get("message", ""))


def test_a_spec_that_cannot_be_read_is_told_and_what_runs_stays(controlled):
    synced(controlled)
    wrong = controlled.make(source={"repoURL": "https://git.example.com/shop.git", "paht": "app"})
    controlled.until(lambda: controlled.condition("Stalled").get("status") == "True")
    ready = controlled.condition("Ready")
    assert (ready["status"], ready["reason"]) == ("False", "Invalid")
    assert "spec.source.paht" in ready["message"]
    assert controlled.status["observedGeneration"] == wrong["metadata"]["generation"]
    controlled.commit(B)
    controlled.let_pass(30)
    assert controlled.live(A) is not None
    assert controlled.live(B) is None
    controlled.make()
    controlled.until(lambda: controlled.live(B) is not None and controlled.is_ready())


def test_a_deleted_one_prunes_what_it_owns_and_leaves_others_finalizers(controlled):
    synced(controlled, finalizers=[FINALIZER, "example.dev/hold"])
    controlled.cluster.take(RESOURCE)
    controlled.until(lambda: controlled.live(A) is None)
    controlled.let_pass(5)
    assert controlled.cluster.body(RESOURCE)["metadata"]["finalizers"] == ["example.dev/hold"]


def test_without_our_finalizer_what_it_owns_stays(controlled):
    synced(controlled)
    controlled.cluster.take(RESOURCE)
    controlled.until(lambda: controlled.state is None)
    controlled.let_pass(30)
    assert controlled.live(A) is not None


def test_one_that_somebody_else_holds_does_not_prune(controlled):
    synced(controlled, finalizers=["example.dev/hold"])
    controlled.cluster.take(RESOURCE)
    controlled.let_pass(30)
    assert controlled.live(A) is not None
    assert controlled.cluster.body(RESOURCE)["metadata"]["finalizers"] == ["example.dev/hold"]


def test_a_deletion_waits_while_its_kind_is_being_deleted(controlled):
    synced(controlled, finalizers=[FINALIZER])
    definition = {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": DEFINITION.name, "finalizers": ["customresourcecleanup.apiextensions.k8s.io"]},
    }
    controlled.cluster.put(definition)
    controlled.cluster.take(DEFINITION)
    controlled.cluster.take(RESOURCE)
    controlled.let_pass(60)
    assert controlled.live(A) is not None
    assert (
        "every Application is being deleted" in controlled.state.last.message + controlled.condition("Ready")["message"]
    )


def test_a_deleted_one_whose_spec_is_wrong_is_pruned_all_the_same(controlled):
    synced(controlled, finalizers=[FINALIZER])
    controlled.make(finalizers=[FINALIZER], health="never")
    controlled.let_pass(5)
    controlled.cluster.take(RESOURCE)
    controlled.until(lambda: controlled.cluster.body(RESOURCE) is None)
    assert controlled.live(A) is None


def test_a_name_that_a_file_has_already_is_told_to_the_resource(controlled):
    controlled.controller.registry.put("apps.yaml", Registration(controlled.app, trusted=True))
    controlled.make()
    controlled.until(lambda: "comes from apps.yaml" in controlled.condition("Ready").get("message", ""))


def test_a_status_that_cannot_be_written_is_written_when_it_can(controlled):
    controlled.cluster.refuse_with("apply_status", RESOURCE, UnreachableError("it is away"))
    controlled.make()
    controlled.until(lambda: controlled.live(A) is not None)
    controlled.let_pass(5)
    assert controlled.status == {}
    controlled.cluster.refuse("apply_status", RESOURCE, 0)
    controlled.until(controlled.is_ready)


@pytest.mark.parametrize(("code", "is_tried_again"), [(403, False), (404, False), (422, False), (500, True)])
def test_a_status_that_is_refused_for_good_is_not_tried_again(controlled, code, is_tried_again):
    controlled.cluster.refuse("apply_status", RESOURCE, code)
    controlled.make()
    controlled.until(lambda: controlled.live(A) is not None)
    controlled.let_pass(10)
    before = controlled.told()
    controlled.let_pass(10)
    assert (controlled.told() > before) is is_tried_again


@pytest.mark.parametrize("keep", [False, True])
def test_a_deletion_that_the_controller_has_no_right_to_changes_nothing(controlled, keep):
    synced(controlled, finalizers=["example.dev/hold"])
    before = controlled.live(A)
    controlled.cluster.refuse("delete", RESOURCE, 403, "Forbidden", "applications is forbidden")
    outcome, message = answer(controlled, controlled.ask(DELETE, plan="never", keep=keep, reason="no longer"))
    assert outcome is Outcome.HELD
    assert "(the component deploy/components/deletion gives the controller that right)" in message
    assert controlled.cluster.body(RESOURCE)["metadata"]["finalizers"] == ["example.dev/hold"]
    assert controlled.live(A) == before


def deletion_of(controlled):
    """The id of the plan that deletes the Application."""

    async def planned():
        context = SyncContext(
            controlled.source, partial(render), controlled.cluster, controlled.store, controlled.clock, "test"
        )
        return (await planned_deletion(Request(controlled.state.app, "ada", PlanOptions()), context)).plan.id

    return controlled.wait(planned())


@pytest.fixture
def cut_short(controlled):
    """An Application that is asked to be deleted, and a cluster that goes away when its finalizer has been set."""
    synced(controlled, finalizers=["example.dev/hold"])
    replace_finalizers = controlled.cluster.replace_finalizers

    async def then_away(key, finalizers, version):
        await replace_finalizers(key, finalizers, version)
        controlled.cluster.replace_finalizers = replace_finalizers
        for verb in controlled.away:
            controlled.cluster.refuse_with(verb, RESOURCE, UnreachableError("it is away"))

    def ask(*verbs):
        controlled.away = verbs
        controlled.cluster.replace_finalizers = then_away
        asked = controlled.ask(DELETE, plan=deletion_of(controlled), reason="no longer")
        outcome, message = answer(controlled, asked)
        for verb in verbs:
            controlled.cluster.refuse(verb, RESOURCE, 0)
        return outcome, message, controlled.cluster.body(RESOURCE)["metadata"]["finalizers"]

    return ask


def test_a_deletion_that_is_cut_short_leaves_the_finalizers_as_they_were(controlled, cut_short):
    assert cut_short("delete") == (Outcome.FAILED, "it is away", ["example.dev/hold"])
    assert controlled.live(A) is not None


def test_where_the_finalizers_cannot_be_put_back_that_is_said_and_asking_again_deletes(controlled, cut_short):
    outcome, message, finalizers = cut_short("delete", "replace_finalizers")
    assert (outcome, FINALIZER in finalizers) == (Outcome.FAILED, True)
    assert (
        "the finalizers of gitops.dev/Application gitops/app were changed for it: ask for the deletion again" in message
    )
    again = controlled.ask(DELETE, plan=deletion_of(controlled), reason="no longer")
    assert answer(controlled, again) == (Outcome.SYNCED, "")
    assert controlled.live(A) is None
    assert controlled.cluster.body(RESOURCE)["metadata"]["finalizers"] == ["example.dev/hold"]


def test_two_who_ask_for_a_deletion_at_once_are_both_answered(controlled):
    synced(controlled)
    plan = deletion_of(controlled)
    numbers = [controlled.ask(DELETE, plan=plan, reason=reason) for reason in ("no longer", "me too")]
    outcomes = {answer(controlled, number)[0] for number in numbers}
    assert outcomes <= {Outcome.SYNCED, Outcome.HELD, Outcome.FAILED}
    assert Outcome.SYNCED in outcomes
    assert (controlled.cluster.body(RESOURCE), controlled.live(A)) == (None, None)


def test_a_deletion_that_fails_is_told_as_one_that_does_not_get_on_and_goes_on_by_itself(controlled):
    synced(controlled)
    controlled.cluster.refuse("delete", key_of(A), 403, "Forbidden", "no right to it")
    asked = controlled.ask(DELETE, plan=deletion_of(controlled), reason="no longer")
    outcome, message = answer(controlled, asked)
    assert (outcome, "no right to it" in message) == (Outcome.FAILED, True)
    assert message.endswith("; its deletion is tried again by itself")
    controlled.let_pass(2)
    assert (controlled.state.last.response, controlled.condition("Stalled")["status"]) == (Response.HELD, "True")
    assert "no right to it" in controlled.condition("Ready")["message"]
    controlled.cluster.refuse("delete", key_of(A), 0)
    controlled.until(lambda: controlled.cluster.body(RESOURCE) is None, 2 * LATER)
    assert controlled.live(A) is None


def test_one_whose_deletion_is_held_goes_at_once_when_a_person_confirms_it(controlled):
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    metadata = {"name": "data", "namespace": "shop"}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}
    controlled.commit(A, claim)
    controlled.make(finalizers=[FINALIZER])
    controlled.until(lambda: controlled.live(claim) is not None)
    controlled.cluster.take(RESOURCE)
    controlled.until(lambda: "PersistentVolumeClaim shop/data" in controlled.condition("Ready").get("message", ""))
    assert controlled.condition("Stalled")["status"] == "True"
    assert answer(controlled, controlled.ask(DELETE, confirm=True)) == (Outcome.SYNCED, "")
    assert (controlled.live(A), controlled.live(claim)) == (None, None)
    controlled.let_pass(1)
    assert controlled.cluster.body(RESOURCE) is None


def test_what_comes_and_goes_while_nothing_is_watched_is_seen_afterwards(controlled):
    synced(controlled)
    controlled.make(name="stays", destination={"namespace": "other"}, sync={})
    controlled.until(lambda: len(list(controlled.controller.index)) == 2)
    watched = ResourceKey(RESOURCE.group, KIND, "", "")
    controlled.cluster.refuse("watch", watched, 410, "Expired")
    controlled.cluster.end_watches()
    controlled.let_pass(1)
    controlled.cluster.take(RESOURCE)
    controlled.make(name="new", destination={"namespace": "other"}, sync={})
    controlled.cluster.refuse("watch", watched, 0)
    controlled.until(lambda: {state.app.name for state in controlled.controller.index} == {"stays", "new"})


def test_a_watch_that_ends_is_gone_on_with(controlled):
    synced(controlled)
    controlled.cluster.end_watches()
    controlled.make(destination={"namespace": "shop"}, interval="300ms")
    controlled.until(lambda: controlled.state.app.interval == 0.3)


def test_a_fault_in_reading_one_is_told_and_keeps_no_other_from_being_run(controlled):
    def broken(body):
        if body["metadata"]["name"] == "broken":
            raise RuntimeError("nobody thought of it")
        return application_of(body)

    controlled.own._read = broken
    controlled.make(name="broken")
    synced(controlled)
    key = ResourceKey(RESOURCE.group, KIND, RESOURCE.namespace, "broken")
    controlled.until(lambda: (controlled.cluster.body(key).get("status") or {}).get("conditions"))
    (ready, _) = controlled.cluster.body(key)["status"]["conditions"]
    assert ready["message"] == "it cannot be read, by a fault in the controller; see its log"


def test_one_of_the_same_name_is_told_of_itself(controlled):
    synced(controlled)
    controlled.cluster.take(RESOURCE)
    controlled.until(lambda: controlled.state is None)
    controlled.let_pass(2)
    controlled.make()
    controlled.until(controlled.is_ready)
    assert controlled.status["observedGeneration"] == 1


class Elsewhere(Alone):
    """Another replica runs every Application."""

    def runs(self, identity):
        return False


def test_one_that_comes_back_from_another_replica_is_told_anew(controlled):
    synced(controlled)
    controller, here = controlled.controller, controlled.controller.replica
    controller.replica = Elsewhere()
    controller.on_status(controlled.state)
    controlled.let_pass(2)
    body = controlled.cluster.body(RESOURCE)
    controlled.cluster.put({**body, "status": {**body["status"], "sync": {"status": "OutOfSync"}}}, "another")
    controller.replica = here
    controller.on_status(controlled.state)
    controlled.until(lambda: controlled.status["sync"]["status"] == "Synced")


def test_one_that_is_deleted_at_another_replica_is_pruned_by_who_takes_it_over_whatever_its_repository_does(controlled):
    async def never(app):
        await asyncio.Event().wait()

    synced(controlled, finalizers=[FINALIZER])
    controlled.repositories.look = never
    controller, here = controlled.controller, controlled.controller.replica
    controller.replica = Elsewhere()
    controlled.wait(controller.let_go(lambda root: False))
    controlled.cluster.take(RESOURCE)
    controlled.let_pass(5)
    assert controlled.live(A) is not None

    async def taken_over():
        controller.replica = here
        controller.wake_all()

    controlled.wait(taken_over())
    controlled.until(lambda: controlled.cluster.body(RESOURCE) is None)
    assert controlled.live(A) is None


def test_one_that_is_made_again_as_wrong_as_it_was_is_told_so_again(controlled):
    def is_told():
        return "spec.never" in controlled.condition("Ready").get("message", "")

    controlled.make(never="so")
    controlled.until(is_told)
    controlled.cluster.take(RESOURCE)
    controlled.let_pass(2)
    controlled.make(never="so")
    controlled.until(is_told)


def test_one_that_is_made_again_while_nobody_watches_is_told_so_again(controlled):
    def is_told():
        return "spec.never" in controlled.condition("Ready").get("message", "")

    controlled.make(never="so")
    controlled.until(is_told)
    place = ResourceKey("gitops.dev", KIND, "", "")
    for verb in ("watch", "list"):
        controlled.cluster.refuse_with(verb, place, UnreachableError("nobody answers"))
    controlled.cluster.end_watches()
    controlled.let_pass(2)
    controlled.cluster.take(RESOURCE)
    controlled.make(never="so")
    for verb in ("watch", "list"):
        controlled.cluster.refuse(verb, place, 0)
    controlled.until(is_told)


class Deleting(MemoryCluster):
    """Somebody deletes the resource, once, and who watches hears of it before the writer of its status goes on."""

    is_done = False

    async def apply_status(self, key, status):
        await super().apply_status(key, status)
        if not self.is_done:
            self.is_done = True
            self.take(key)
            for _ in range(100):
                await asyncio.sleep(0)


def test_one_that_is_deleted_while_it_is_told_something_is_told_anew(tmp_path):
    found = Resourced(tmp_path)
    found.cluster = Deleting([SPACE], [KIND_INFO])
    found.commit(A)
    found.begin()
    found.make(never="so")
    found.until(lambda: found.cluster.body(RESOURCE) is None)
    found.make(never="so")
    found.until(lambda: "spec.never" in found.condition("Ready").get("message", ""))
    found.end()
