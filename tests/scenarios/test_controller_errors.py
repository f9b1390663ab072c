"""While its cluster refuses it or says nothing, or a pass does not end, a controller waits, and heals."""

import asyncio
import time

import pytest

from gitops.adapters.clock import SystemClock
from gitops.adapters.kubernetes import http, secret_reader
from gitops.adapters.kubernetes import informers as watches
from gitops.adapters.kubernetes.cluster import KubernetesCluster
from gitops.adapters.kubernetes.connection import connect
from gitops.adapters.kubernetes.registry import Registry
from gitops.controller import replica as replicas
from gitops.controller.replica import Replica
from gitops.manifests.yaml_documents import load_all
from gitops.model.errors import SourceError, UnreachableError
from gitops.sandbox.cluster import User
from tests.scenarios.running import Running
from tests.scenarios.test_answerable import break_pods
from tests.scenarios.test_clusters import silent_server
from tests.scenarios.test_controller import custom_resource, make_kind, resources, standing
from tests.scenarios.world import World, config_map, deployment

LIMITED = User("limited", ())
RBAC = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"


def as_user(kubeconfig, token):
    before = load_all(kubeconfig.encode(), "kubeconfig")[0].value["users"][0]["user"]["token"]
    return kubeconfig.replace(before, token)


def test_a_watch_that_is_refused_for_a_while_goes_on_when_the_right_is_back(fresh_sandbox, tmp_path, monkeypatch):
    monkeypatch.setattr(watches, "_REFUSED_SECONDS", 1.0)
    sandbox = fresh_sandbox(tokens={"root": User("ada", ("system:masters",)), "limited": LIMITED}, speed=4.0)
    world = World(tmp_path, as_user(sandbox.kubeconfig(), "root"), "refused")
    binding = {
        "metadata": {"name": "limited"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "User", "name": "limited", "apiGroup": "rbac.authorization.k8s.io"}],
    }
    world.request("POST", RBAC, binding)
    sha = world.commit(settings=config_map("settings"))
    root, limited = world.kubeconfig, tmp_path / "limited"
    limited.write_text(as_user(sandbox.kubeconfig(), "limited"))
    world.kubeconfig = limited
    with Running(world) as running:
        running.until_synced(sha)
        world.kubeconfig = root
        world.request("DELETE", f"{RBAC}/limited")
        sandbox.set_faults("watch-close=200ms")
        time.sleep(2.0)
        world.edit("core/configmaps/settings", {"data": {"a": "while nobody could see"}})
        time.sleep(1.0)
        assert world.get("ConfigMap", "settings")["data"] == {"a": "while nobody could see"}
        world.request("POST", RBAC, binding)
        running.until(lambda: world.get("ConfigMap", "settings")["data"] == {"a": "1"}, seconds=30)


def silent(world, port):
    text = world.kubeconfig.read_text()
    server = load_all(text.encode(), "kubeconfig")[0].value["clusters"][0]["cluster"]["server"]
    path = world.folder / "silent"
    path.write_text(text.replace(server, f"http://127.0.0.1:{port}"))
    return KubernetesCluster(connect(str(path)))


def test_a_cluster_that_says_nothing_is_not_waited_for_by_the_next_who_asks(world, monkeypatch):
    monkeypatch.setattr(http, "_ANSWER_SECONDS", 0.3)
    monkeypatch.setattr(http, "_FIRST_DELAY", 0.01)

    async def ask():
        cluster = silent(world, port)
        try:
            with pytest.raises(UnreachableError):
                await cluster.http.request("GET", "/api")
            began = time.monotonic()
            with pytest.raises(UnreachableError, match=r"it is asked again in 1\d s"):
                await cluster.http.request("GET", "/api")
            assert time.monotonic() - began < 0.1
        finally:
            await cluster.close()

    with silent_server() as port:
        asyncio.run(ask())


def test_a_secret_is_not_looked_up_for_ever(world, monkeypatch):
    monkeypatch.setattr(secret_reader, "_SECONDS", 0.3)

    async def look():
        cluster = silent(world, port)
        try:
            found = Registry(cluster, "gitops", lambda: None)
            with pytest.raises(SourceError, match="Secret team/deploy-key: the cluster does not answer"):
                await asyncio.to_thread(found.credentials, "team", "deploy-key")
        finally:
            await cluster.close()

    with silent_server() as port:
        asyncio.run(look())


def test_custom_resources_without_an_account_are_told_so_and_not_run_where_one_is_required(world):
    sha = world.commit(settings=config_map("settings"))
    make_kind(world)
    source = {"repoURL": world.repository.as_uri(), "targetRevision": "main"}
    world.request("POST", resources(world), custom_resource(world, source=source))
    with Running(world, resources=True, require_account=True) as running:
        running.until(lambda: "sync.serviceAccount" in str(standing(world).get("conditions")))
        assert world.get("ConfigMap", "settings") is None
        assert sha


class Member:
    """A replica whose passes end when they are told to."""

    def __init__(self, world, cluster):
        self.busy = asyncio.Event()
        self.gains = 0
        self.replica = Replica(
            cluster, SystemClock(), world.namespace, single=False, losing=self._losing, gained=self._gained
        )

    async def _losing(self, _stays):
        if self.busy.is_set():
            await asyncio.sleep(3600)

    def _gained(self):
        self.gains += 1


def test_what_does_not_end_is_not_given_away(world, monkeypatch):
    """Until the pass has ended the newcomer runs nothing, since it cannot know what that still writes."""
    monkeypatch.setattr(replicas, "RENEW_SECONDS", 0.3)
    world.request("POST", "/api/v1/namespaces", {"metadata": {"name": world.namespace}})
    names = [f"gitops/app-{number}" for number in range(40)]

    async def live():
        cluster = KubernetesCluster(connect(str(world.kubeconfig)))
        first, second = Member(world, cluster), Member(world, cluster)
        async with asyncio.TaskGroup() as group:
            begun = group.create_task(first.replica.run())
            await until(lambda: all(first.replica.runs(name) for name in names))
            first.busy.set()
            joined = group.create_task(second.replica.run())
            await asyncio.sleep(2.0)
            assert not any(second.replica.runs(name) for name in names)
            first.busy.clear()
            await until(lambda: any(second.replica.runs(name) for name in names))
            await until(lambda: all(first.replica.runs(name) or second.replica.runs(name) for name in names))
            assert not any(first.replica.runs(name) and second.replica.runs(name) for name in names)
            begun.cancel()
            joined.cancel()
        await cluster.close()

    asyncio.run(live())


async def until(holds, seconds=10.0):
    async with asyncio.timeout(seconds):
        while not holds():
            await asyncio.sleep(0.02)


def test_the_reason_of_an_unhealthy_workload_is_its_containers(world):
    """And its Pods are asked for no longer than it is unhealthy."""
    sha = world.commit(web=deployment())
    with Running(world) as running:
        running.until_synced(sha)
        break_pods(world)
        running.until(lambda: "ImagePullBackOff" in running.tracked().health.message)
        pods = f"/api/v1/namespaces/{world.namespace}/pods"
        for pod in world.request("GET", pods, labelSelector="app=web")["items"]:
            world.request("DELETE", f"{pods}/{pod['metadata']['name']}")
        running.until(lambda: running.tracked().health.word.value == "Healthy" and not running.tracked().live.failures)
        before = running.controller.workers.request_counts()[""]["GET", 200]
        time.sleep(3.0)
        assert running.controller.workers.request_counts()[""]["GET", 200] == before
