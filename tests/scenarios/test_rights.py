"""What a controller may do changes while it runs; and what a custom resource may make it do is up to the operator."""

import time
from dataclasses import replace

import yaml

from gitops.sandbox.cluster import User
from tests.scenarios.running import Running, of
from tests.scenarios.test_clusters import cluster_secret, make_namespace, secrets
from tests.scenarios.test_controller import custom_resource, make_kind, resources, standing
from tests.scenarios.test_controller_errors import as_user
from tests.scenarios.world import World, config_map


def test_rights_that_come_later_are_used_soon_and_their_lack_is_told_once(fresh_sandbox, tmp_path, lines):
    tokens = {"root": User("ada", ("system:masters",)), "limited": User("limited", ())}
    sandbox = fresh_sandbox(tokens=tokens, speed=4.0)
    world = World(tmp_path, as_user(sandbox.kubeconfig(), "root"), "late")
    make_namespace(world)
    rbac = f"/apis/rbac.authorization.k8s.io/v1/namespaces/{world.namespace}"

    def grant(name, *verbs):
        rule = {"apiGroups": [""], "resources": ["configmaps"], "verbs": list(verbs)}
        world.request("POST", f"{rbac}/roles", {"metadata": {"name": name}, "rules": [rule]})
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name}
        subject = {"kind": "User", "name": "limited", "apiGroup": "rbac.authorization.k8s.io"}
        world.request(
            "POST", f"{rbac}/rolebindings", {"metadata": {"name": name}, "roleRef": reference, "subjects": [subject]}
        )

    grant("works", "get", "create", "patch", "delete")
    sha = world.commit(settings=config_map("settings"))
    root, limited = world.kubeconfig, tmp_path / "limited"
    limited.write_text(as_user(sandbox.kubeconfig(), "limited"))
    world.kubeconfig = limited
    with Running(world) as running:
        running.until_synced(sha)
        world.kubeconfig = root
        time.sleep(8.0)  # some tries have been refused
        grant("looks", "list", "watch")
        world.edit("core/configmaps/settings", {"data": {"a": "by hand"}})
        running.until(lambda: world.get("ConfigMap", "settings")["data"] == {"a": "1"}, seconds=35)
    ended = [(line["kind"], line["namespace"]) for line in of(lines, "watch.ended")]
    assert len(ended) == len(set(ended)), ended
    again = [(line["kind"], line["namespace"]) for line in of(lines, "watch.begins-again")]
    assert again == [("ConfigMap", world.namespace)]


def with_context(world, name):
    """A kubeconfig whose context `name` is the same cluster, as who may do anything there."""
    config = yaml.safe_load(world.kubeconfig.read_text())
    config["contexts"].append({**config["contexts"][0], "name": name})
    world.kubeconfig.write_text(yaml.safe_dump(config))


def test_a_custom_resource_does_not_reach_a_context_of_the_operators_kubeconfig(world):
    make_kind(world)
    with_context(world, "prod")
    world.commit(settings=config_map("settings"))
    to_prod = {"namespace": world.namespace, "cluster": "prod"}
    with Running(world, resources=True) as running:
        own = replace(world.app, name="own", sync=replace(world.app.sync, automated=True), interval=0.3)
        own = replace(own, destination=replace(own.destination, cluster="prod", namespace=f"{world.namespace}-own"))
        running.call(lambda: running.put_trusted(own))
        running.until(lambda: world.get("ConfigMap", "settings", namespace=f"{world.namespace}-own"))
        world.request("POST", resources(world), custom_resource(world, destination=to_prod))
        running.until(lambda: "no Secret registers a cluster prod" in str(standing(world).get("conditions")))
        assert "--contexts" in str(standing(world)["conditions"])
        assert world.get("ConfigMap", "gitops-app") is None
        assert world.get("ConfigMap", "settings") is None
        secret = cluster_secret(world.kubeconfig.read_text(), "prod")
        world.request("POST", secrets(world), secret)
        running.until(lambda: world.get("ConfigMap", "settings"))


def test_a_context_that_the_operator_opens_is_reached(world):
    make_kind(world)
    with_context(world, "prod")
    world.commit(settings=config_map("settings"))
    to_prod = {"namespace": world.namespace, "cluster": "prod"}
    with Running(world, resources=True, contexts=True) as running:
        world.request("POST", resources(world), custom_resource(world, destination=to_prod))
        running.until(lambda: world.get("ConfigMap", "settings"))
