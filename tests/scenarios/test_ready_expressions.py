"""`readyExpr`: what an Application depends on is ready when an expression over both custom resources says so."""

from gitops.manifests.yaml_write import write_manifests
from tests.scenarios.running import Running
from tests.scenarios.test_controller import custom_resource, make_kind, resources, standing
from tests.scenarios.world import config_map

SAME = "self.metadata.?labels['version'] == dep.metadata.?labels['version'] && dep.status.health.status == 'Healthy'"


def commit(world):
    for name in ("database", "shop"):
        (world.repository / name).mkdir()
    world.commit(**{"database/db": config_map("db"), "shop/web": config_map("web")})


def labelled(world, name, version, **spec):
    made = custom_resource(world, name, source={"path": name}, **spec)
    made["metadata"]["labels"] = {"version": version}
    return made


def test_a_custom_resource_waits_until_the_other_one_has_its_version(world):
    make_kind(world)
    commit(world)
    with Running(world, resources=True) as running:
        world.request("POST", resources(world), labelled(world, "database", "1"))
        shop = labelled(world, "shop", "2", dependsOn=["database"], readyExpr={"database": SAME})
        world.request("POST", resources(world), shop)
        running.until(lambda: "its readyExpr is false" in str(standing(world, "shop").get("conditions")))
        assert world.get("ConfigMap", "web") is None
        change = {"metadata": {"labels": {"version": "2"}}}
        world.request("PATCH", resources(world, "database"), change, kind="application/merge-patch+json")
        running.until(lambda: world.get("ConfigMap", "web") is not None)


def test_a_command_asks_the_custom_resource_of_the_other_one(world):
    make_kind(world)
    commit(world)
    file = world.folder / "application.yaml"
    file.write_text(
        write_manifests([labelled(world, "shop", "2", dependsOn=["database"], readyExpr={"database": SAME})])
    )
    done = world.gitops("sync", "-f", str(file))
    assert (done.returncode, "database: it is not there" in done.stderr + done.stdout) == (3, True), done.stderr
    with Running(world, resources=True) as running:
        world.request("POST", resources(world), labelled(world, "database", "1"))
        running.until(lambda: (standing(world, "database").get("health") or {}).get("status") == "Healthy")
    done = world.gitops("sync", "-f", str(file))
    assert (done.returncode, "its readyExpr is false" in done.stderr + done.stdout) == (3, True), done.stderr
    change = {"metadata": {"labels": {"version": "2"}}}
    world.request("PATCH", resources(world, "database"), change, kind="application/merge-patch+json")
    assert world.gitops("sync", "-f", str(file)).returncode == 0
