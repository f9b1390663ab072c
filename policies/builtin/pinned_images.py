"""`pinned-images`: what runs must not change under the same name."""

from collections.abc import Iterator

from gitops.manifests.key import Body
from policies.rule import Breach, Rule, Target, containers


def _check(body: Body, _: Target) -> Iterator[Breach]:
    for path, container in containers(body):
        image = container.get("image") or ""
        tag = image.rpartition("/")[2].partition(":")[2]
        if "@" in image:
            continue
        if not tag:
            yield (
                f"{path}.image",
                f"{image or 'no image'} has no tag, so it means latest",
                "write a version or a digest",
            )
        elif tag == "latest":
            yield f"{path}.image", f"{image} changes under the same name", "write a version or a digest"


RULE = Rule(
    name="pinned-images",
    about="Every image has a tag other than latest, or a digest.",
    check=_check,
    good="""\
apiVersion: v1
kind: Pod
metadata: {name: web}
spec: {containers: [{name: web, image: "registry.example.com:5000/web:1.27"}]}
""",
    bad="""\
apiVersion: v1
kind: Pod
metadata: {name: web}
spec: {containers: [{name: web, image: "registry.example.com:5000/web"}]}
""",
    field="spec.containers[name=web].image",
)
