"""What the embedded cluster warns of in Pods and templates; the texts are those of kube-apiserver 1.36."""

import pytest

from gitops.sandbox.pod_warnings import take_apparmor, warnings_of

APPARMOR = "container.apparmor.security.beta.kubernetes.io/web"
SECCOMP = "container.seccomp.security.alpha.kubernetes.io/web"


def pod(annotations=None, container=None, **spec):
    web = {"name": "web", "image": "web", **(container or {})}
    return {"metadata": {"name": "web", "annotations": annotations or {}}, "spec": {"containers": [web], **spec}}


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (
            pod(volumes=[{"name": "a", "emptyDir": {}}, {"name": "b", "rbd": {}}]),
            "spec.volumes[1].rbd: deprecated in v1.28, non-functional in v1.31+",
        ),
        (
            pod(volumes=[{"name": "a", "storageos": {}}]),
            "spec.volumes[0].storageOS: deprecated in v1.22, non-functional in v1.25+",
        ),
        (
            pod({SECCOMP: "unconfined"}),
            f'metadata.annotations[{SECCOMP}]: non-functional in v1.27+; use the "seccompProfile" field instead',
        ),
        (
            pod({"scheduler.alpha.kubernetes.io/critical-pod": ""}),
            "metadata.annotations[scheduler.alpha.kubernetes.io/critical-pod]: non-functional in v1.16+; "
            'use the "priorityClassName" field instead',
        ),
        (
            pod(imagePullSecrets=[{"name": "a"}, {"name": "b"}, {"name": "a"}]),
            'spec.imagePullSecrets[2].name: duplicate name "a"',
        ),
        (pod(imagePullSecrets=[{}]), 'spec.imagePullSecrets[0].name: invalid empty name ""'),
        (
            pod(container={"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]}),
            'spec.containers[0].env[1]: hides previous definition of "A", which may be dropped when using apply',
        ),
    ],
)
def test_what_no_longer_works_or_is_said_twice_is_warned_of(found, told):
    assert list(warnings_of(found)) == [told]


def test_a_plain_pod_and_a_variable_that_adds_to_itself_are_not_warned_of():
    assert not list(warnings_of(pod(container={"env": [{"name": "A", "value": "1"}, {"name": "A", "value": "$(A)2"}]})))
    seccomp = {"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}}
    assert not list(warnings_of(pod({SECCOMP: "unconfined"}, seccomp)))


@pytest.mark.parametrize(
    ("annotation", "profile"),
    [
        ("unconfined", {"type": "Unconfined"}),
        ("runtime/default", {"type": "RuntimeDefault"}),
        ("localhost/own", {"type": "Localhost", "localhostProfile": "own"}),
        ("localhost/", None),
        ("localhost/ padded", None),
        ("other", None),
    ],
)
def test_the_profile_that_an_annotation_names_becomes_the_containers(annotation, profile):
    found = pod({APPARMOR: annotation})
    told = f'metadata.annotations[{APPARMOR}]: deprecated since v1.30; use the "appArmorProfile" field instead'
    assert take_apparmor(found) == [told]
    assert (found["spec"]["containers"][0].get("securityContext") or {}).get("appArmorProfile") == profile


@pytest.mark.parametrize(
    "found",
    [
        pod({APPARMOR: "unconfined"}, {"securityContext": {"appArmorProfile": {"type": "RuntimeDefault"}}}),
        pod({APPARMOR: "unconfined"}, securityContext={"appArmorProfile": {"type": "Unconfined"}}),
        pod({APPARMOR: "unconfined"}, os={"name": "windows"}),
        pod(),
    ],
)
def test_a_profile_that_is_said_already_is_left_as_it_is(found):
    before = dict(found["spec"]["containers"][0])
    assert take_apparmor(found) == []
    assert found["spec"]["containers"][0] == before


def test_a_template_is_warned_of_at_its_place():
    told = 'deprecated since v1.30; use the "appArmorProfile" field instead'
    found = pod({APPARMOR: "unconfined"})
    assert list(warnings_of(found, "spec.template")) == [f"spec.template.metadata.annotations[{APPARMOR}]: {told}"]
    assert not list(warnings_of(found))
    same = pod({APPARMOR: "unconfined"}, securityContext={"appArmorProfile": {"type": "Unconfined"}})
    assert not list(warnings_of(same, "spec.template"))
