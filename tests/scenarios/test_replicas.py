"""Several controllers over one set of Applications: each is run by exactly one, whoever dies."""

import asyncio
import base64
import os
import random
import signal
import time

import pytest

from gitops.adapters.clock import SystemClock
from gitops.adapters.kubernetes.cluster import KubernetesCluster
from gitops.adapters.kubernetes.connection import connect
from gitops.bootstrap import open_store
from gitops.controller.replica import Replica
from gitops.manifests.key import ResourceKey
from gitops.manifests.yaml_write import write_manifests
from gitops.model.audit import check_chain
from gitops.server.metrics import Numbers
from gitops.sync.inventories import find_applications
from tests import postgresql, warm
from tests.scenarios.running import Running
from tests.scenarios.world import World, config_map
from tests.soak import SHARE

KEY = base64.b64encode(b"k" * 32).decode()
NAMES = [f"app-{number}" for number in range(8)]
ENDS = ("sync.finished", "sync.failed", "sync.interrupted")


@pytest.fixture(scope="module")
def server():
    with postgresql.running() as running:
        yield running


class Replicas:
    """Controllers as processes, over a repository of eight Applications and a PostgreSQL store."""

    def __init__(self, folder, sandbox, server):
        self.world = World(folder, sandbox.kubeconfig(), f"replicas-{os.getpid()}-{time.monotonic_ns()}")
        self.url = server.url(server.new_database())
        self.folder = folder
        self.running = []
        self.count = 0
        for name in NAMES:
            (self.world.repository / name).mkdir()
        self.world.commit(**{f"{name}/settings": config_map(name, value="0") for name in NAMES})
        self.wanted = dict.fromkeys(NAMES, "0")
        source = self.world.app.source.repoURL
        text = "".join(
            "---\napiVersion: gitops.dev/v1alpha1\nkind: Application\n"
            f"metadata: {{name: {name}}}\nspec:\n"
            f"  source: {{repoURL: '{source}', targetRevision: main, path: {name}}}\n"
            f"  destination: {{namespace: {self.world.namespace}}}\n"
            "  sync: {automated: true, drift: correct}\n  interval: 1s\n"
            for name in NAMES
        )
        (folder / "apps.yaml").write_text(text)
        space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.world.namespace}}
        self.world.request("POST", "/api/v1/namespaces", space)

    def hold_in_one(self):
        """The Applications come from the repository, where one Application holds them."""
        inside = self.world.repository / "inside"
        inside.mkdir()
        apps = self.folder / "apps.yaml"
        text = apps.read_text()
        (inside / "all.yaml").write_text(text)
        self.world.commit()
        name, path = "metadata: {name: app-0}", "path: app-0"
        apps.write_text(text.split("---\n")[1].replace(name, "metadata: {name: root}").replace(path, "path: inside"))

    def start(self):
        self.count += 1
        environment = {
            **os.environ,
            "KUBECONFIG": str(self.world.kubeconfig),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "GITOPS_STORE": self.url,
            "GITOPS_KEY": KEY,
        }
        command = ["run", "-f", str(self.folder / "apps.yaml")]
        options = ["--leases", "--namespace", self.world.namespace, "--no-applications", "--local-repositories"]
        with (self.folder / f"log-{self.count}").open("w") as log:
            self.running.append(warm.start([*command, *options], self.folder, environment, None, log))

    def kill(self, process, how=signal.SIGKILL):
        self.running.remove(process)
        process.send_signal(how)
        return process.wait(15)

    def commit(self, value, name=""):
        name = name or random.choice(NAMES)
        self.wanted[name] = value
        path = self.world.repository / name / "settings.yaml"
        path.write_text(write_manifests([config_map(name, value=value)]))
        self.world.commit()

    def until_converged(self, seconds=60.0):
        began = time.monotonic()
        while True:
            found = self.world.request("GET", f"/api/v1/namespaces/{self.world.namespace}/configmaps")["items"]
            values = {body["metadata"]["name"]: body["data"].get("value") for body in found if "data" in body}
            if {name: values.get(name) for name in NAMES} == self.wanted:
                return time.monotonic() - began
            logs = "\n".join(path.read_text()[-1500:] for path in sorted(self.folder.glob("log-*"))[-2:])
            assert time.monotonic() - began < seconds, (values, self.wanted, logs)
            time.sleep(0.1)

    def events(self):
        """application → its audit entries, after checking each chain against its anchor in the cluster."""

        async def read():
            cluster = KubernetesCluster(connect(str(self.world.kubeconfig)))
            chains = {}
            async with open_store(self.folder, KEY, self.url) as store:
                for inventory in await find_applications(cluster, "", self.world.namespace):
                    events = await store.events(inventory.application, cluster.name)
                    check_chain(events, inventory.anchor, store.id)
                    chains[inventory.application] = events
            await cluster.close()
            return chains

        return asyncio.run(read())

    def stop(self):
        for process in list(self.running):
            code = self.kill(process, signal.SIGTERM)
            logs = "\n".join(path.read_text()[-3000:] for path in sorted(self.folder.glob("log-*")))
            assert code == 0, logs


@pytest.fixture
def replicas(tmp_path, sandbox, server):
    made = Replicas(tmp_path, sandbox, server)
    yield made
    for process in made.running:
        process.kill()


def check_never_run_by_two(events):
    """Once another replica has started a sync, the one before writes nothing more about its own."""
    present = None
    for event in events:
        if event.fact == "sync.started":
            present = event.actor
        elif event.fact.startswith(("step.", "sync.", "rollback.")) and event.fact != "sync.held":
            assert event.actor == present, f"{event.fact} by {event.actor} after a sync by {present} had started"
            if event.fact in ENDS:
                present = None


def test_two_replicas_share_the_applications_and_a_dead_ones_share_moves_in_time(replicas):
    replicas.start()
    replicas.until_converged()
    replicas.start()
    for number in range(10):  # it takes a moment to join
        for name in NAMES:
            replicas.commit(f"shared-{number}", name)
        replicas.until_converged()
        time.sleep(1)
        actors = {event.actor for events in replicas.events().values() for event in events}
        if len(actors) == 2:
            break
    assert len(actors) == 2, actors
    replicas.kill(replicas.running[0])
    for number in range(1, 9):
        replicas.commit(f"dead-{number}")
    assert replicas.until_converged() < 20  # 15 s is promised; the poll and a busy machine come on top
    replicas.stop()
    for events in replicas.events().values():
        check_never_run_by_two(events)


def test_what_an_applications_repository_brings_is_run_by_whoever_runs_that(tmp_path, fresh_sandbox, server):
    replicas = Replicas(tmp_path, fresh_sandbox(), server)
    replicas.hold_in_one()
    try:
        replicas.start()
        replicas.start()
        replicas.until_converged()
        replicas.kill(replicas.running[0])
        for number in range(8):
            replicas.commit(f"dead-{number}")
        replicas.until_converged()
        replicas.stop()
    finally:
        for process in replicas.running:
            process.kill()
    for events in replicas.events().values():
        check_never_run_by_two(events)


@pytest.mark.soak
@pytest.mark.timeout(400)
def test_whoever_is_killed_every_commit_arrives_as_by_one_replica(replicas):
    """Two minutes of a commit every second; a replica is killed at random moments and started again."""
    random.seed(7)
    replicas.start()
    replicas.start()
    began, number, next_kill = time.monotonic(), 0, 5.0
    seconds = max(6.0, 120.0 * SHARE)
    while (passed := time.monotonic() - began) < seconds:
        number += 1
        replicas.commit(str(number))
        if passed > next_kill:
            replicas.kill(random.choice(replicas.running))
            replicas.start()
            next_kill = passed + random.uniform(3, 12)
        time.sleep(1)
    replicas.until_converged()
    time.sleep(2)
    replicas.stop()
    for events in replicas.events().values():
        check_never_run_by_two(events)


def told_by(running, asked):
    """The Applications that a controller's metrics tell of."""
    found = asked.call(lambda: next(iter(Numbers(running.controller).collect())).samples)
    return [f"{one.labels['namespace']}/{one.labels['name']} {one.labels['sync']}" for one in found]


def test_without_a_common_store_a_second_one_stands_by_until_the_first_is_gone(world, tmp_path):
    sha = world.commit(settings=config_map("settings"))
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": world.namespace}}
    world.request("POST", "/api/v1/namespaces", space)
    first = Running(world, leases=world.namespace)
    with first:
        first.until_synced(sha)
        with Running(world, leases=world.namespace, state=tmp_path / "other") as second:
            second.until(lambda: second.controller.replica.stands_by_for)
            newer = world.commit(settings=config_map("settings", a="2"))
            first.until_synced(newer)
            assert second.tracked().last.outcome is None
            assert [told_by(one, first) for one in (first, second)] == [["gitops/app Synced"], []]
            first.stop()
            newest = world.commit(settings=config_map("settings", a="3"))
            second.until_synced(newest, seconds=25)


def test_where_no_lease_can_be_kept_it_says_so_and_ends(world):
    world.commit(settings=config_map("settings"))
    with Running(world, leases="no-such-namespace") as running:
        running._thread.join(20)
    assert "Leases cannot be kept in namespace no-such-namespace" in str(running.failure)


def test_a_second_one_on_the_same_state_folder_stands_by(world):
    sha = world.commit(settings=config_map("settings"))
    first = Running(world)
    with first:
        first.until_synced(sha)
        with Running(world) as second:
            time.sleep(1)
            assert not second.controller.is_ready
            first.stop()
            second.until(lambda: second.controller.is_ready)
            newer = world.commit(settings=config_map("settings", a="2"))
            second.until_synced(newer)


class Away(SystemClock):
    """The clock of a process that stood still for a while."""

    seconds = 0.0

    def monotonic(self):
        return super().monotonic() + self.seconds


def test_a_replica_that_stood_still_claims_nothing_before_it_has_looked_who_is_there(world):
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": world.namespace}}
    world.request("POST", "/api/v1/namespaces", space)
    claims = asyncio.run(claims_of_one_that_stood_still(world))
    assert "" in claims
    assert all(view == "" or "," in view for view in claims), claims


async def claims_of_one_that_stood_still(world):
    """Every view that a replica published after its clock had moved on by 20 seconds, another being there."""

    async def losing(_):
        return None

    cluster = KubernetesCluster(connect(str(world.kubeconfig)))
    clock, views, published = Away(), [], asyncio.Event()
    replicas = [
        Replica(cluster, its, world.namespace, single=False, losing=losing, gained=lambda: None)
        for its in (clock, SystemClock())
    ]
    tasks = [asyncio.create_task(replica.run()) for replica in replicas]
    key = ResourceKey("coordination.k8s.io", "Lease", world.namespace, f"gitops-{replicas[0].name}")

    async def view():
        lease = await cluster.get(key)
        return lease and lease["metadata"]["annotations"]["gitops.dev/view"]

    try:
        async with asyncio.timeout(20):
            while "," not in (await view() or ""):
                await asyncio.sleep(0.1)
            real, clock.seconds = cluster.apply, 20.0

            async def apply(applied, body, **options):
                if applied == key:
                    views.append(body["metadata"]["annotations"]["gitops.dev/view"])
                    if len(views) > 1 and "," in views[-1]:
                        published.set()
                return await real(applied, body, **options)

            cluster.apply = apply
            await published.wait()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await cluster.close()
    return views


def test_what_comes_while_another_replica_claims_everything_is_not_lost(world):
    """As one does for a moment that comes back after a pause."""
    sha = world.commit(settings=config_map("settings"))
    space = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": world.namespace}}
    world.request("POST", "/api/v1/namespaces", space)
    leases = f"/apis/coordination.k8s.io/v1/namespaces/{world.namespace}/leases"
    with Running(world, leases=world.namespace) as running:
        running.until_synced(sha)
        metadata = {
            "name": "gitops-zzz",
            "labels": {"gitops.dev/member": "true"},
            "annotations": {"gitops.dev/view": "zzz"},
        }
        spec = {"holderIdentity": "zzz", "renewTime": "2026-01-01T00:00:00.000000Z"}
        world.request("POST", leases, {"metadata": metadata, "spec": spec})
        running.until(lambda: not running.controller.runs("gitops/app"))
        newer = world.commit(settings=config_map("settings", a="2"))
        running.until(lambda: running.tracked().source.observed_revision.sha == newer)
        world.request("DELETE", f"{leases}/gitops-zzz")
        running.until_synced(newer)
        assert world.get("ConfigMap", "settings")["data"] == {"a": "2"}
