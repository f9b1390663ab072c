"""The custom resource definitions in a chart's crds/: made once, kept as the chart has them, or left out."""

from dataclasses import replace

import pytest

from gitops.model.helm_options import HelmOptions
from tests.scenarios.test_charts import chart, with_helm
from tests.scenarios.world import World

DEFINITION = """\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {{name: {plural}.example.com, labels: {{version: "{version}"}}}}
spec:
  group: example.com
  scope: Namespaced
  names: {{plural: {plural}, singular: {plural}x, kind: {kind}, listKind: {kind}List}}
  versions: [{{name: v1, served: true, storage: true, schema: {{openAPIV3Schema: {{type: object}}}}}}]
"""


@pytest.mark.parametrize(
    ("options", "first", "second"),
    [
        ({"crds": "Create"}, "1", "1"),
        ({"crds": "CreateReplace"}, "1", "2"),
        ({"crds": "Skip"}, None, None),
        ({}, "1", "2"),
    ],
)
def test_definitions_are_made_kept_up_or_left_out(
    world: World, options: dict[str, str], first: str | None, second: str | None
) -> None:
    plural = f"things{world.namespace.replace('-', '')}"
    app = with_helm(world.app, **options)
    app = replace(app, sync=replace(app.sync, prune=False))

    def synced(version: str) -> str | None:
        text = DEFINITION.format(plural=plural, kind=plural.capitalize(), version=version)
        (world.repository / "crds").mkdir(exist_ok=True)
        chart(world, **{"crds/thing": text})
        world.sync(app)
        found = world.get("CustomResourceDefinition", f"{plural}.example.com", "apiextensions.k8s.io", namespace="")
        return found["metadata"]["labels"]["version"] if found else None

    assert (synced("1"), synced("2")) == (first, second)
    assert HelmOptions(**options).skipCRDs is False  # type: ignore[arg-type]
