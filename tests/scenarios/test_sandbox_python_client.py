"""The official Python client works on the embedded cluster: typed, dynamic, and watching."""

import threading

import pytest
import yaml

kubernetes = pytest.importorskip("kubernetes")


@pytest.fixture
def client(sandbox):
    from kubernetes import config

    return config.new_client_from_config_dict(yaml.safe_load(sandbox.kubeconfig()))


def test_typed_objects_come_and_go(client):
    core = kubernetes.client.CoreV1Api(client)
    name = "python-typed"
    core.create_namespace({"metadata": {"name": name}})
    core.create_namespaced_config_map(name, {"metadata": {"name": "a"}, "data": {"k": "v"}})
    assert core.read_namespaced_config_map("a", name).data == {"k": "v"}
    core.patch_namespaced_config_map("a", name, {"data": {"k": "w"}})
    assert "a" in [item.metadata.name for item in core.list_namespaced_config_map(name).items]
    core.delete_namespaced_config_map("a", name)
    with pytest.raises(kubernetes.client.ApiException) as missing:
        core.read_namespaced_config_map("a", name)
    assert missing.value.status == 404


def test_the_dynamic_client_finds_resources_and_applies(client):
    from kubernetes.dynamic import DynamicClient

    dynamic = DynamicClient(client)
    deployments = dynamic.resources.get(api_version="apps/v1", kind="Deployment")
    body = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "dynamic", "namespace": "default"},
        "spec": {
            "selector": {"matchLabels": {"app": "dynamic"}},
            "template": {
                "metadata": {"labels": {"app": "dynamic"}},
                "spec": {"containers": [{"name": "c", "image": "nginx"}]},
            },
        },
    }
    applied = deployments.server_side_apply(body=body, name="dynamic", namespace="default", field_manager="python")
    assert applied.spec.replicas == 1
    deployments.delete(name="dynamic", namespace="default")


def test_a_watch_sees_what_happens(client):
    core = kubernetes.client.CoreV1Api(client)
    name = "python-watch"
    core.create_namespace({"metadata": {"name": name}})
    version = core.list_namespaced_secret(name).metadata.resource_version

    def change():
        core.create_namespaced_secret(name, {"metadata": {"name": "s"}})
        core.delete_namespaced_secret("s", name)

    changer = threading.Timer(0.2, change)
    changer.start()
    watch = kubernetes.watch.Watch()
    stream = watch.stream(core.list_namespaced_secret, name, resource_version=version, timeout_seconds=5)
    seen = []
    for event in stream:
        seen.append((event["type"], event["object"].metadata.name))
        if len(seen) == 2:
            watch.stop()
    changer.join()
    assert seen == [("ADDED", "s"), ("DELETED", "s")]
