"""Applications of several clusters: each waits for its own, which is got at, lost, reached anew and let go."""

from dataclasses import replace

import pytest

from gitops.controller import clusters
from gitops.controller.cluster_worker import Connected
from gitops.controller.registry import Registration
from gitops.manifests.key import key_of
from gitops.model.application import KubeConfig
from gitops.model.errors import ConfigError
from gitops.model.record import record_in
from gitops.testing.cluster import MemoryCluster
from tests.unit.controlled import Controlled
from tests.unit.desk import SPACE, config_map

A, B = config_map("a", x="1"), config_map("b", x="1")


class Several(Controlled):
    """`others` are clusters besides the one that we are at home in, `wrong` why one cannot be had."""

    def __init__(self, folder):
        super().__init__(folder)
        self.app = replace(self.app, interval=3600.0, sync=replace(self.app.sync, automated=True))
        self.others = {}
        self.registered = {}
        self.wrong = {}
        self.asked = []
        self.left = []

    def other(self, name):
        self.others[name] = MemoryCluster([SPACE])
        return self.others[name]

    async def _looked_at(self):
        for state in self.controller.index:
            self.controller.poller.wake(state)

    async def _connected(self, name, on_object, may_write):
        self.asked.append((name, self.clock.monotonic()))
        if name in self.wrong:
            raise self.wrong[name]
        if name == "":
            return await super()._connected(name, on_object, may_write)
        return Connected(self.others[name], {("GET", 200): 3}, lambda: self.left.append(name))

    def goes_to(self, cluster, name="far", source="apps.yaml", **destination):
        """An Application of another cluster is made known; its identity."""
        there = replace(self.app.destination, cluster=cluster, **destination)
        app = replace(self.app, name=name, destination=there)
        self.registered[name] = app
        self.wait(self._put(source, Registration(app, trusted=True)))
        return app.identity

    async def _put(self, source, registration):
        self.controller.registry.put(source, registration)

    def forget(self, name, source="apps.yaml"):
        async def dropped():
            self.controller.registry.drop(source, self.registered[name].identity)

        self.wait(dropped())

    def reconnect(self, cluster):
        async def reconnected():
            self.controller.workers.reconnect(cluster)

        self.wait(reconnected())

    def problem(self, identity):
        found = self.wait(self.store.setting(identity, "record"))
        return "" if found is None else record_in(found).problem

    def times(self, name):
        return [at for asked, at in self.asked if asked == name]

    def has(self, name, body=A):
        return self.others[name].body(key_of(body)) is not None


@pytest.fixture
def several(tmp_path):
    """A controller at work, with an Application at home."""
    made = Several(tmp_path)
    made.commit(A)
    made.begin()
    made.until(lambda: made.live(A) is not None)
    yield made
    made.end()


def test_an_application_goes_to_its_own_cluster_which_is_asked_for_once(several):
    several.other("eu")
    assert several.times("eu") == []
    several.goes_to("eu")
    several.until(lambda: several.has("eu"))
    several.goes_to("eu", "second", namespace="shop")
    several.let_pass(5)
    assert len(several.times("eu")) == 1
    assert several.controller.workers.request_counts()["eu"] == {("GET", 200): 3}


def test_a_cluster_that_cannot_be_had_is_told_and_tried_again_with_growing_pauses(several, monkeypatch):
    monkeypatch.setattr(clusters, "_LONGEST_SECONDS", 12.0)
    several.other("eu")
    several.wrong["eu"] = ConfigError("no such cluster: eu")
    identity = several.goes_to("eu")
    several.until(lambda: several.problem(identity) == "no such cluster: eu")
    several.let_pass(42)
    pauses = [
        round(after - before) for before, after in zip(several.times("eu"), several.times("eu")[1:], strict=False)
    ]
    assert pauses[:6] == [5, 10, 12, 12]
    second = several.goes_to("eu", "second")
    several.until(lambda: several.problem(second) == "no such cluster: eu")
    several.commit(A, B)
    several.until(lambda: several.live(B) is not None)
    del several.wrong["eu"]
    several.until(lambda: several.has("eu", B))
    several.until(lambda: several.problem(identity) == "")


def test_a_cluster_that_nobody_understands_ends_nothing(several):
    several.other("eu")
    several.wrong["eu"] = ValueError("it is not what was expected")
    identity = several.goes_to("eu")
    several.until(lambda: several.problem(identity) == "it is not what was expected")
    del several.wrong["eu"]
    several.until(lambda: several.has("eu"))


def test_a_cluster_that_nobody_names_any_more_is_let_go_but_for_our_own(several):
    old = several.other("eu")
    several.goes_to("eu")
    several.goes_to("eu", "second")
    several.until(lambda: several.has("eu"))
    several.forget("second")
    several.let_pass(3)
    assert several.left == []
    several.forget("far")
    several.until(lambda: several.left == ["eu"])
    several.until(lambda: old.body(key_of(A)) is None)  # it was closed
    assert several.controller.workers.get("eu") is None
    assert several.controller.workers.get("") is not None
    several.other("eu")
    several.goes_to("eu")
    several.until(lambda: several.has("eu"))
    assert len(several.times("eu")) == 2


def test_a_cluster_that_another_application_names_at_once_is_not_let_go(several):
    several.other("eu")
    identity = several.goes_to("eu")
    several.until(lambda: several.has("eu"))

    async def replaced():
        app = several.registered["far"]
        several.controller.registry.drop("apps.yaml", identity)
        several.controller.registry.put("apps.yaml", Registration(replace(app, name="second"), trusted=True))

    several.wait(replaced())
    several.let_pass(5)
    assert several.left == []
    assert len(several.times("eu")) == 1


def test_a_cluster_that_is_reached_in_another_way_is_begun_with_anew(several):
    several.other("eu")
    several.goes_to("eu")
    several.until(lambda: several.has("eu"))
    moved = several.other("eu")
    several.reconnect("eu")
    several.commit(A, B)
    several.until(lambda: several.has("eu", B))
    assert several.others["eu"] is moved
    assert len(several.times("eu")) == 2


def test_a_cluster_that_becomes_known_is_not_waited_for_any_longer(several):
    several.other("eu")
    several.wrong["eu"] = ConfigError("no such cluster: eu")
    several.goes_to("eu")
    several.let_pass(50)
    del several.wrong["eu"]
    before = several.clock.monotonic()
    several.reconnect("eu")
    several.until(lambda: several.has("eu"))
    assert several.clock.monotonic() - before < 5


def kubeconfig(name):
    return KubeConfig(secretRef=name)


def test_the_kubeconfigs_of_a_namespace_lead_to_so_many_clusters_and_no_more(several, monkeypatch):
    monkeypatch.setattr(clusters, "_MOST_OF_NAMESPACE", 1)
    one, two = "kubeconfig:gitops/one/", "kubeconfig:gitops/two/"
    for name in (one, two):
        several.other(name)
    several.goes_to("", "first", kubeConfig=kubeconfig("one"))
    several.until(lambda: several.has(one))
    second = several.goes_to("", "second", kubeConfig=kubeconfig("two"))
    said = "destination.kubeConfig: 1 clusters are open by kubeconfigs of namespace gitops, and no more are"
    several.until(lambda: several.problem(second).startswith(said))
    assert not several.has(two)
    several.forget("first")
    several.until(lambda: several.has(two))
    assert several.left == [one]
