"""What an ArtifactGenerator makes of a repository, as folders of it."""

from typing import Any

import pytest

from gitops.compat.flux.answer import Answer
from gitops.compat.flux.objects import FluxObjects, Ref
from gitops.compat.flux.reading import read

GIT = {
    "apiVersion": "source.toolkit.fluxcd.io/v1",
    "kind": "GitRepository",
    "metadata": {"name": "fleet", "namespace": "flux-system"},
    "spec": {"url": "https://git.example/fleet", "interval": "2m", "ref": {"branch": "main"}},
}


def generator(*copies: dict[str, Any], annotations: dict[str, str] | None = None, **more: Any) -> dict[str, Any]:
    metadata = {"name": "split", "namespace": "flux-system", "annotations": annotations or {}}
    sources = [{"alias": "all", "kind": "GitRepository", "name": "fleet"}]
    spec = {"sources": sources, "artifacts": [{"name": "part", "originRevision": "@all", "copy": list(copies)}], **more}
    version = "source.extensions.fluxcd.io/v1beta1"
    return {"apiVersion": version, "kind": "ArtifactGenerator", "metadata": metadata, "spec": spec}


def copy(source: str, target: str, **more: Any) -> dict[str, Any]:
    return {"from": source, "to": target, **more}


def delivered(path: str, *known: dict[str, Any], name: str = "part") -> Answer:
    """What a Kustomization of a path of the artifact comes to."""
    reference = {"kind": "ExternalArtifact", "name": name}
    body = {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {"name": name, "namespace": "flux-system"},
        "spec": {"interval": "10m", "path": path, "prune": True, "sourceRef": reference},
    }
    return read(body, FluxObjects([*known, body]))


@pytest.mark.parametrize(
    ("copies", "path", "place"),
    [
        ([copy("@all/infra/**", "@artifact/")], "./controllers", "infra/controllers"),
        ([copy("@all/infra/**", "@artifact/")], "./", "infra"),
        ([copy("@all/**", "@artifact/")], "./x", "x"),
        ([copy("@all/apps/base/**", "@artifact/base/"), copy("@all/apps/eu/**", "@artifact/eu/")], "eu", "apps/eu"),
        ([copy("@all/a/b/c/**", "@artifact/b/c")], "./b/c/d", "a/b/c/d"),
    ],
)
def test_an_artifact_is_a_folder_of_its_source(copies: list[dict[str, Any]], path: str, place: str) -> None:
    found = delivered(path, GIT, generator(*copies))
    assert found.reasons == ()
    assert found.application is not None
    source = found.application["spec"]["source"]
    assert (source["repoURL"], source["targetRevision"], source["path"]) == (GIT["spec"]["url"], "main", place)
    assert "patches" not in source.get("kustomize", {})


@pytest.mark.parametrize("path", ["./", "./us", "eu-west"])
def test_what_the_artifact_has_not_is_not_delivered(path: str) -> None:
    made = generator(copy("@all/apps/base/**", "@artifact/base/"), copy("@all/apps/eu/**", "@artifact/eu/"))
    assert delivered(path, GIT, made).reasons == ("spec.path: ExternalArtifact flux-system/part has base, eu only",)


@pytest.mark.parametrize(
    ("copies", "field"),
    [
        ([copy("@all/a/**/*.yaml", "@artifact/")], "from"),
        ([copy("@all/a/one.yaml", "@artifact/one.yaml")], "from"),
        ([copy("@other/a/**", "@artifact/")], "from"),
        ([copy("@all/../**", "@artifact/")], "from"),
        ([copy("@all/a/**", "@artifact/b/")], "to"),
        ([copy("@all/aa/**", "@artifact/a/")], "to"),
        ([copy("@all/a/**", "elsewhere/")], "to"),
        ([copy("@all/a/**", "@artifact/", exclude=["*.md"])], "exclude"),
        ([copy("@all/a/**", "@artifact/", strategy="Merge")], "strategy"),
    ],
)
def test_what_is_put_together_otherwise_is_refused_with_its_path(copies: list[dict[str, Any]], field: str) -> None:
    made = generator(*copies)
    (reason,) = read(made, FluxObjects([made])).reasons
    assert reason.startswith(f"spec.artifacts[].copy[].{field}: ")
    assert delivered("./", GIT, made).reasons == (f"spec.sourceRef: ArtifactGenerator flux-system/split: {reason}",)


def test_files_of_several_places_are_refused() -> None:
    made = generator(copy("@all/a/**", "@artifact/"), copy("@all/b/**", "@artifact/"))
    (reason,) = read(made, FluxObjects([made])).reasons
    assert reason.startswith("spec.artifacts[].copy: ")


def test_an_artifact_of_nothing_is_refused() -> None:
    for spec in ({"artifacts": [{"name": "part", "copy": []}]}, {"artifacts": [{"name": "part"}]}):
        made = {**generator(), "spec": spec}
        assert read(made, FluxObjects([made])).reasons == ("spec.artifacts[].copy: it is missing",)
        assert delivered("./", GIT, made).application is None


def test_what_is_not_known_is_named() -> None:
    assert delivered("./", GIT).missing == Ref("ExternalArtifact", "flux-system", "part")
    made = generator(copy("@all/a/**", "@artifact/"))
    assert delivered("./", made).missing == Ref("GitRepository", "flux-system", "fleet")
    assert delivered("./", GIT, made, name="other").missing == Ref("ExternalArtifact", "flux-system", "other")


def test_a_generator_that_is_switched_off_suspends_what_it_makes() -> None:
    off = {"source.extensions.fluxcd.io/reconcile": "Disable"}
    found = delivered("./", GIT, generator(copy("@all/a/**", "@artifact/"), annotations=off))
    assert found.application is not None
    assert found.application["spec"]["sync"]["automated"] is False


def test_objects_of_strangers_types_are_refused_and_stop_nobody() -> None:
    for spec in ({"artifacts": 1}, {"artifacts": [1]}, {"artifacts": [{"name": 1, "copy": {}}]}, {"sources": "x"}):
        made = {**generator(), "spec": spec}
        assert read(made, FluxObjects([made])).reasons
        assert delivered("./", GIT, made).application is None


@pytest.mark.parametrize(("namespace", "is_made"), [("flux-system", True), ("", True), ("elsewhere", False)])
def test_an_artifact_is_made_in_the_namespace_of_its_generator(namespace: str, is_made: bool) -> None:
    """A file may leave the namespace to the one that it is applied to."""
    made = generator(copy("@all/infra/**", "@artifact/"))
    made["metadata"] = {"name": "split", **({"namespace": namespace} if namespace else {})}
    assert (delivered("./", GIT, made).application is not None) is is_made
