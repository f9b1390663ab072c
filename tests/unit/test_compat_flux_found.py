"""Objects of several clusters in one repository, called alike in each."""

from typing import Any

from gitops.compat.found import found_in


def source(branch: str) -> dict[str, Any]:
    spec = {"url": "https://git.example.com/fleet", "interval": "1m", "ref": {"branch": branch}}
    metadata = {"name": "fleet", "namespace": "flux-system"}
    return {"apiVersion": "source.toolkit.fluxcd.io/v1", "kind": "GitRepository", "metadata": metadata, "spec": spec}


def kustomization(name: str) -> dict[str, Any]:
    spec = {"interval": "1m", "path": "apps", "prune": True, "sourceRef": {"kind": "GitRepository", "name": "fleet"}}
    metadata = {"name": name, "namespace": "flux-system"}
    version = "kustomize.toolkit.fluxcd.io/v1"
    return {"apiVersion": version, "kind": "Kustomization", "metadata": metadata, "spec": spec}


def branches(*objects: tuple[str, dict[str, Any]]) -> list[str]:
    return [
        one.application["spec"]["source"]["targetRevision"] for one in found_in(objects) if one.application is not None
    ]


def test_an_object_names_the_source_of_its_own_cluster() -> None:
    objects = [
        ("clusters/a/flux-system/source.yaml", source("a")),
        ("clusters/a/apps.yaml", kustomization("apps")),
        ("clusters/b/apps.yaml", kustomization("apps")),
        ("clusters/b/flux-system/source.yaml", source("b")),
        ("clusters/c/source.yaml", source("c")),
    ]
    assert branches(*objects) == ["a", "b"]
    assert branches(*reversed(objects)) == ["b", "a"]


def test_one_source_is_that_of_all() -> None:
    objects = [
        ("x/apps.yaml", kustomization("apps")),
        ("y/source.yaml", source("main")),
        ("a.yaml", kustomization("b")),
    ]
    assert branches(*objects) == ["main", "main"]
