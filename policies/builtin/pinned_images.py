"""`pinned-images`: what runs must not change under the same name."""

from collections.abc import Iterator

from gitops.manifests.key import Body
from policies.rule import Breach, Rule, Target, containers, is_built_in, pod_specs


def _check(body: Body, _: Target) -> Iterator[Breach]:
    for path, container in containers(body):
        if container.get("image") or is_built_in(body):  # a custom kind may fill one in
            yield from _image(f"{path}.image", container.get("image") or "")
    for path, spec in pod_specs(body):
        for volume in spec.get("volumes") or []:
            if volume.get("image"):
                place = f"{path}.volumes[name={volume.get('name')}].image.reference"
                yield from _image(place, volume["image"].get("reference") or "")


def _image(field: str, image: str) -> Iterator[Breach]:
    tag = image.rpartition("/")[2].partition(":")[2]
    if "@" in image:
        return
    if not tag:
        yield field, f"{image or 'no image'} has no tag, so it means latest", "write a version or a digest"
    elif tag == "latest":
        yield field, f"{image} changes under the same name", "write a version or a digest"


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
