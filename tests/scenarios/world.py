"""A cluster, a Git repository and a store: where the stories happen. Everything is real; the cluster is embedded."""

import asyncio
import atexit
import contextlib
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import orjson

from gitops.adapters.clock import SystemClock
from gitops.adapters.kubernetes.cluster import KubernetesCluster
from gitops.adapters.kubernetes.connection import connect
from gitops.adapters.source import Sources
from gitops.adapters.store import SqliteStore
from gitops.engine.plan_input import PlanOptions
from gitops.manifests.key import ResourceKey
from gitops.manifests.yaml_write import write_manifests
from gitops.model.application import Application, Destination, SourceSpec, SyncOptions
from gitops.model.audit import check_chain
from gitops.model.errors import ApiError, ClusterError
from gitops.rendering import Access, render
from gitops.sync.context import Request, SyncContext
from gitops.sync.inventories import find_applications
from gitops.sync.planning import plan_sync
from gitops.sync.reconcile import sync
from tests import warm
from tests.scenarios.onlooker import Onlooker


class Killed(BaseException):
    """Ends a pass where it stands."""


@cache
def _empty_repository() -> Path:
    """What `git init` makes, to be copied: to start a program costs more than most of what the tests do with it."""
    folder = Path(tempfile.mkdtemp(prefix="repository-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    subprocess.run(["git", "init", "-q", "-b", "main", "--template=", str(folder)], check=True)
    return folder


class World:
    """One Application `name` in a namespace of its own."""

    def __init__(self, folder: Path, kubeconfig: str, namespace: str) -> None:
        self.folder = folder
        self.namespace = namespace
        self.kubeconfig = folder / "kubeconfig"
        self.kubeconfig.write_text(kubeconfig)
        self.repository = folder / "repository"
        self.events: list[object] = []
        self.secrets: dict[str, str] = {}  # what a secretRef stands for
        self.state = folder / "state"
        self.app = Application(
            "app",
            source=SourceSpec(repoURL=self.repository.as_uri(), targetRevision="main"),
            destination=Destination(namespace=namespace),
            sync=SyncOptions(createNamespace=True, prune=True, timeout=20.0),
        )
        shutil.copytree(_empty_repository(), self.repository)

    # ── Git ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def commit(self, message: str = "change", **files: object) -> str:
        """Write files (`web=body or bodies`, None removes) and commit them; the commit's name."""
        for name, content in files.items():
            path = self.repository / f"{name}.yaml"
            if content is None:
                path.unlink()
            elif isinstance(content, str):
                path.write_text(content)
            else:
                path.write_text(write_manifests(content if isinstance(content, list) else [content]))
        self._git("add", "-A")
        self._git("-c", "user.name=Ada", "-c", "user.email=a@example.com", "commit", "-qm", message, "--allow-empty")
        git = self.repository / ".git"
        return (git / (git / "HEAD").read_text().removeprefix("ref: ").strip()).read_text().strip()

    def _git(self, *arguments: str, cwd: Path | None = None) -> str:
        command = ["git", "-c", "maintenance.auto=false", *arguments]
        return subprocess.run(command, cwd=cwd or self.repository, check=True, capture_output=True, text=True).stdout

    # ── passes ───────────────────────────────────────────────────────────────────────────────────────────────────

    def sync(self, app: Application | None = None, **options):
        """One pass; options are those of PlanOptions, and `wait`."""
        wait = options.pop("wait", True)
        request = Request(app or self.app, "ada", PlanOptions(**options), wait=wait)
        return self._context(lambda context: sync(request, context))

    def sync_killed_after(self, requests: int, **options) -> None:
        """A sync that stops dead before it sends one more than `requests` writes; nothing is cleaned up."""
        request = Request(self.app, "ada", PlanOptions(**options), wait=False)

        async def killed(context):
            raw = context.cluster.http._raw

            answered = 0

            async def limited(call):
                nonlocal answered
                if call.is_write and answered >= requests:
                    raise Killed
                answered += call.is_write
                try:
                    return await raw(call)
                except ClusterError as exc:
                    if not isinstance(exc, ApiError) or exc.code >= 500:
                        answered -= call.is_write  # it has told nothing, and is tried again
                    raise

            context.cluster.http._raw = limited
            try:
                await sync(request, context)
            except Killed:
                return

        self._context(killed)

    def plan(self, app: Application | None = None, **options):
        request = Request(app or self.app, "ada", PlanOptions(**options))
        return self._context(lambda context: plan_sync(request, context))

    def with_sync(self, **options) -> Application:
        return replace(self.app, sync=replace(self.app.sync, **options))

    def inventory(self, name: str = "app"):
        async def look(cluster):
            (found,) = await find_applications(cluster, name, self.namespace)
            return found

        return _onlooker().see(self.kubeconfig, look)

    def check_audit(self) -> list:
        """The audit entries, after checking the chain and its anchor."""

        async def look(context):
            events = await context.store.events(self.app.identity, context.cluster.name)
            (found,) = await find_applications(context.cluster, "app", self.namespace)
            check_chain(events, found.anchor, context.store.id)
            return events

        return self._context(look)

    def audit(self) -> list:
        """The audit entries, unchecked: also of an Application that never came to be on the cluster."""
        return self._context(lambda context: context.store.events(self.app.identity, context.cluster.name))

    def requests_of(self, work):
        """(reads, writes) that one pass sends."""

        async def count(context):
            await work(context)
            return context.cluster.requests

        return self._context(count)

    def _context(self, work):
        async def run():
            cluster = KubernetesCluster(connect(str(self.kubeconfig)))
            store = await SqliteStore.open(self.state)
            source = Sources(self.folder / "cache", lambda name: self.secrets.get(name, ""), as_account=True)
            self.events = []
            context = SyncContext(
                source,
                partial(render, access=Access(as_account=True)),
                cluster,
                store,
                SystemClock(),
                "test",
                self.events.append,
            )
            try:
                return await work(context)
            finally:
                await store.close()
                await cluster.close()

        return asyncio.run(run())

    def gitops(self, *words: str, **places: str) -> "subprocess.CompletedProcess[str]":
        """A command that a person types here; `places` are variables of the environment."""
        ours = {"KUBECONFIG": str(self.kubeconfig), "GITOPS_STATE": str(self.state)}
        return warm.run(words, self.folder, {**os.environ, **ours, **places})

    # ── the cluster, as somebody else ────────────────────────────────────────────────────────────────────────────

    def request(self, method: str, path: str, body=None, manager: str = "", kind: str = "application/json", **query):
        """A request of another client; the answer's body. `manager` is its field manager."""

        parameters = {**query, **({"fieldManager": manager} if manager else {})}

        async def ask(cluster):
            return await cluster.http.request(method, path, query=parameters, body=body, content_type=kind)

        async def ask_once():
            cluster = KubernetesCluster(connect(str(self.kubeconfig)))
            try:
                return await ask(cluster)
            finally:
                await cluster.close()

        return _onlooker().see(self.kubeconfig, ask) if method == "GET" else asyncio.run(ask_once())

    def get(self, kind: str, name: str, group: str = "", namespace: str | None = None):
        space = self.namespace if namespace is None else namespace
        return _onlooker().get(self.kubeconfig, ResourceKey(group, kind, space, name))

    def edit(self, path: str, change, manager: str = "kubectl-edit"):
        """A JSON merge patch by hand, below the namespace."""
        group, _, rest = path.partition("/")
        root = "/api/v1" if group == "core" else f"/apis/{group}/v1"
        url = f"{root}/namespaces/{self.namespace}/{rest}"
        return self.request("PATCH", url, change, manager, "application/merge-patch+json")


_onlooker = cache(Onlooker)


def forget(sandbox, namespace: str) -> None:
    """Take a story's namespace and all that bears its name out of the cluster, at once.

    Everybody after it would read what it left there: whoever looks for an inventory reads them all.
    """
    storage = sandbox.sandbox.cluster.storage
    named = re.compile(rf"\b{re.escape(namespace)}\b")

    def remove() -> None:
        for resource, stored in list(storage.everything()):
            place, name = stored.body["metadata"].get("namespace", ""), stored.body["metadata"]["name"]
            if named.search(f"{place}/{name}"):
                with contextlib.suppress(KeyError):
                    storage.delete(resource, place, name)

    sandbox._on_loop(remove)


def custom_kind(world, kind: str, schema: dict[str, object]):
    """(group, definition) of a custom kind of this world's own, version v1."""
    plural = f"{kind.lower()}s{world.namespace.rpartition('-')[2]}"
    group = f"{plural}.example.com"
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"}
    return group, {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [version]},
    }


def config_map(name: str, **data: str):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data or {"a": "1"}}


def deployment(name: str = "web", image: str = "nginx:1.26", replicas: int = 2, **annotations: str):
    labels = {"app": name}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "annotations": annotations},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [{"name": name, "image": image}]}},
        },
    }


def job(name: str, image: str = "busybox", **annotations: str):
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": name, "image": image}]}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "annotations": annotations},
        "spec": {"backoffLimit": 0, "template": template},
    }


def refused(**annotations: str):
    """A limit, and a Pod that it forbids: nobody can tell before the limit is there."""
    limit = {"type": "Container", "max": {"cpu": "1"}}
    container = {"name": "x", "image": "busybox", "resources": {"limits": {"cpu": "2"}}}
    return [
        {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "x"}, "spec": {"limits": [limit]}},
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "x", "annotations": annotations},
            "spec": {"containers": [container]},
        },
    ]


def as_json(value: object) -> str:
    return orjson.dumps(value).decode()
