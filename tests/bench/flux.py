"""The Applications of `scale` as Flux has them: Kustomizations that share a GitRepository, all as processes."""

import asyncio
from pathlib import Path

import yaml

from gitops.adapters.kubernetes.cluster import KubernetesCluster
from gitops.adapters.kubernetes.connection import connect
from gitops.manifests.key import Body, key_of
from tests.bench.scale import APPLICATIONS, bare_writes, embedded_cluster, first_sync, make_repository, rest

DEFINITIONS = Path(__file__).parents[2] / "deploy/components/flux/crds.yaml"
PLAIN = {
    "interval": "10m",
    "prune": True,
    "wait": True,
    "targetNamespace": "bench",
    "sourceRef": {"kind": "GitRepository", "name": "repo"},
}


def run() -> None:
    with embedded_cluster() as (folder, environment):
        make_repository(folder)
        bare = asyncio.run(bare_writes(folder))
        asyncio.run(make_resources(folder))
        with first_sync(folder, environment, bare, "--compat", "flux", "--local-repositories") as controller:
            rest(controller.pid)


async def make_resources(folder: Path) -> None:
    cluster = KubernetesCluster(connect(str(folder / "kubeconfig")))
    for definition in yaml.safe_load_all(DEFINITIONS.read_text()):
        await cluster.apply(key_of(definition), definition)
    await cluster.kinds(refresh=True)
    source = {"interval": "10s", "url": (folder / "repository").as_uri(), "ref": {"branch": "main"}}
    bodies = [_body("source.toolkit.fluxcd.io/v1", "GitRepository", "repo", source)]
    for number in range(APPLICATIONS):
        name = f"app-{number:05}"
        bodies.append(
            _body("kustomize.toolkit.fluxcd.io/v1", "Kustomization", name, {**PLAIN, "path": f"./apps/{name}"})
        )
    for body in bodies:
        await cluster.apply(key_of(body), body)
    await cluster.close()


def _body(version: str, kind: str, name: str, spec: Body) -> Body:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": "bench"}, "spec": spec}
