"""Variables of the cluster in what is synced: every command knows them, and a controller follows them."""

import json
from dataclasses import replace
from typing import Any

import pytest

from gitops.model.application import Application
from gitops.model.errors import RenderError
from gitops.model.result import Outcome
from gitops.model.transforms import CommonMetadata, PostBuild, SubstituteFrom
from tests.scenarios.running import Running
from tests.scenarios.world import World, config_map

SETTINGS = config_map("settings", cluster="${cluster}", zone="${zone:=none}")
APPLICATION = """\
apiVersion: gitops.dev/v1alpha1
kind: Application
metadata: {{name: app, namespace: {namespace}}}
spec:
  source:
    repoURL: {repository}
    postBuild:
      substitute: {{zone: a}}
      {more}
    commonMetadata: {{labels: {{team: shop}}}}
  destination: {{namespace: {namespace}}}
"""


def with_variables(world: World, *wanted: SubstituteFrom, **inline: str) -> Application:
    source = replace(
        world.app.source, postBuild=PostBuild(inline, wanted), commonMetadata=CommonMetadata({"t": "shop"})
    )
    return replace(world.app, namespace=world.namespace, source=source)


def write(world: World, kind: str, name: str, data: dict[str, str], *, verb: str = "POST") -> None:
    """A ConfigMap or a Secret in the Application's namespace."""
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": world.namespace}}
    if verb == "POST" and world.get("Namespace", world.namespace, namespace="") is None:
        world.request("POST", "/api/v1/namespaces", namespace)
    body = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}}
    path = f"/api/v1/namespaces/{world.namespace}/{kind.lower()}s"
    body |= {"stringData" if kind == "Secret" else "data": data}
    world.request(verb, path if verb == "POST" else f"{path}/{name}", body)


def data(world: World) -> dict[str, str]:
    found: dict[str, Any] = world.get("ConfigMap", "settings") or {}
    return found.get("data", {})


def test_a_config_map_of_the_cluster_gives_a_variable_its_value(world: World) -> None:
    world.commit(settings=SETTINGS)
    write(world, "ConfigMap", "variables", {"cluster": "prod"})
    app = with_variables(world, SubstituteFrom("ConfigMap", "variables"), zone="a")
    assert world.sync(app).outcome is Outcome.SYNCED
    assert data(world) == {"cluster": "prod", "zone": "a"}
    assert world.get("ConfigMap", "settings")["metadata"]["labels"]["t"] == "shop"
    assert world.sync(app).outcome is Outcome.IN_SYNC


def test_a_variable_that_is_missing_changes_nothing(world: World) -> None:
    world.commit(settings=SETTINGS)
    with pytest.raises(RenderError, match=r"settings\.yaml:1: ConfigMap settings: .*variable cluster has no value"):
        world.sync(with_variables(world, zone="a"))
    assert data(world) == {}


def test_a_controller_follows_a_config_map_and_a_secret_that_variables_are_of(world: World) -> None:
    world.commit(settings=SETTINGS)
    write(world, "ConfigMap", "variables", {"cluster": "prod"})
    write(world, "Secret", "zones", {"zone": "hunter2"})
    wanted = (SubstituteFrom("ConfigMap", "variables"), SubstituteFrom("Secret", "zones", optional=True))
    app = with_variables(world, *wanted)
    with Running(world, replace(app, sync=replace(app.sync, automated=True), interval=0.3)) as running:
        running.until(lambda: data(world) == {"cluster": "prod", "zone": "hunter2"})
        write(world, "ConfigMap", "variables", {"cluster": "stage"}, verb="PUT")
        running.until(lambda: data(world) == {"cluster": "stage", "zone": "hunter2"})
        world.request("DELETE", f"/api/v1/namespaces/{world.namespace}/secrets/zones", None)
        running.until(lambda: data(world) == {"cluster": "stage", "zone": "none"})
    assert "hunter2" not in json.dumps(world.get("ConfigMap", "gitops-app"))


def test_commands_know_variables_and_a_render_without_a_cluster_says_what_it_cannot_read(world: World) -> None:
    world.commit(settings=SETTINGS)
    write(world, "ConfigMap", "variables", {"cluster": "prod"})
    file = world.folder / "app.yaml"
    fields = {"namespace": world.namespace, "repository": world.repository.as_uri()}
    file.write_text(APPLICATION.format(more="substituteFrom: [{kind: ConfigMap, name: variables}]", **fields))
    assert world.gitops("sync", "-f", str(file)).returncode == 0
    assert data(world) == {"cluster": "prod", "zone": "a"}
    write(world, "ConfigMap", "variables", {"cluster": "stage"}, verb="PUT")
    assert "data.cluster: prod → stage" in world.gitops("diff", "-f", str(file)).stdout
    done = world.gitops("render", "-f", str(file))
    assert (done.returncode, "ConfigMap " in done.stderr) == (2, True)
    assert "is in a cluster, which this does not read" in done.stderr
    file.write_text(APPLICATION.format(more="strict: false", **fields))
    done = world.gitops("render", "-f", str(file))
    assert (done.returncode, "zone: a" in done.stdout, "team: shop" in done.stdout) == (0, True, True)
