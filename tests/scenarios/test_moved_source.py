"""An Application whose source moves: its own spec is its owner's word, a PATH may be a mistaken name."""

from dataclasses import replace

import pytest

from gitops.controller.registry import Registration
from gitops.model.application import Application, Destination, SourceSpec, SyncOptions
from gitops.model.result import Outcome
from tests.scenarios.running import Running
from tests.scenarios.world import config_map


def moved(world, path):
    return replace(world.app, source=replace(world.app.source, path=path))


def move(world, path, **files):
    """The manifests move into the folder `path`, as they are unless `files` say otherwise."""
    (world.repository / path).mkdir()
    names = {found.stem for found in world.repository.glob("*.yaml")}
    texts = {f"{path}/{name}": (world.repository / f"{name}.yaml").read_text() for name in names}
    return world.commit(**{**texts, **dict.fromkeys(names), **{f"{path}/{name}": body for name, body in files.items()}})


def test_a_spec_that_names_another_source_hands_over_by_itself(world):
    world.commit(web=config_map("web"), old=config_map("old"))
    world.sync()
    move(world, "apps", web=config_map("web", a="2"))
    result = world.sync(moved(world, "apps"))
    assert result.outcome is Outcome.SYNCED, result.message
    assert world.inventory().source == f"{world.app.source.repoURL}//apps"


def test_a_move_that_changes_no_object_is_recorded(world):
    world.commit(web=config_map("web"))
    world.sync()
    before = world.inventory().source
    sha = move(world, "apps")
    assert world.sync(moved(world, "apps")).outcome is Outcome.IN_SYNC
    assert world.inventory().source == f"{before}//apps"
    event = world.check_audit()[-1]
    assert (event.fact, event.revision, event.actor) == ("source.changed", sha, "ada")
    assert event.detail == {"before": before, "source": f"{before}//apps"}


def test_a_source_that_has_nothing_of_what_is_owned_is_held(world):
    world.commit(web=config_map("web"))
    world.sync()
    (world.repository / "other").mkdir()
    world.commit(**{"other/api": config_map("api")})
    held = world.sync(moved(world, "other"))
    assert held.outcome is Outcome.HELD
    assert "holds nothing of what it owns" in held.message
    assert world.sync(moved(world, "other"), confirm=True).outcome is Outcome.SYNCED
    assert world.get("ConfigMap", "api")


def test_what_a_move_would_delete_is_guarded(world):
    world.commit(**{f"c{number}": config_map(f"c{number}") for number in range(12)})
    world.sync()
    (world.repository / "apps").mkdir()
    world.commit(**{"apps/c0": config_map("c0")})
    held = world.sync(moved(world, "apps"))
    assert held.outcome is Outcome.HELD
    assert "pruneLimit" in held.message


def by_path(world, folder):
    """What `gitops sync FOLDER --name app` stands for."""
    source = SourceSpec(repoURL="", path=str(world.repository / folder))
    sync = SyncOptions(createNamespace=True, timeout=20.0)
    return Application("app", world.namespace, source, Destination(namespace=world.namespace), sync)


def test_one_name_for_two_paths_is_held_until_it_is_handed_over(world):
    world.commit(web=config_map("web"))
    assert world.sync(by_path(world, ".")).outcome is Outcome.SYNCED
    move(world, "apps")
    held = world.sync(by_path(world, "apps"))
    assert held.outcome is Outcome.HELD
    assert "--adopt" in held.message
    assert world.sync(by_path(world, "apps"), adopt=True).outcome is Outcome.IN_SYNC
    assert world.inventory().source.endswith("//apps")
    assert world.sync(by_path(world, "apps")).outcome is Outcome.IN_SYNC


@pytest.mark.parametrize("changed", [False, True], ids=["with equal manifests", "with a changed one"])
def test_a_controller_follows_a_spec_to_its_new_source(world, changed):
    world.commit(web=config_map("web"))
    with Running(world) as running:
        running.until(lambda: running.tracked() and running.tracked().sync == "Synced")
        sha = move(world, "apps", **({"web": config_map("web", a="2")} if changed else {}))
        app = running.apps[0]
        there = replace(app, source=replace(app.source, path="apps"))
        running.call(lambda: running.controller.registry.put("test", Registration(there)))
        running.until_synced(sha)
        running.until(lambda: world.inventory().source.endswith("//apps"))
        assert running.tracked().last.message == ""
