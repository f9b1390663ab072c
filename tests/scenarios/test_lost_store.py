"""A store whose file goes away under a controller: that ends, and the next one goes on in a new store."""

import shutil

import pytest

from gitops.model.errors import LostStoreError
from tests.scenarios.running import Running
from tests.scenarios.test_controller_soak import controller, log_of
from tests.scenarios.test_signals import until_synced
from tests.scenarios.world import config_map


def delete(state):
    for file in state.glob("gitops.db*"):
        file.unlink()


def replace(state):
    """As a backup that is put back: the same bytes in another file."""
    shutil.copy(state / "gitops.db", state / "copy")
    delete(state)
    (state / "copy").rename(state / "gitops.db")


def move(state):
    state.rename(state.with_name("moved"))


@pytest.mark.parametrize("lose", [delete, replace, move])
def test_a_controller_whose_store_is_lost_ends_and_the_next_one_goes_on(world, lose):
    sha = world.commit(settings=config_map("settings"))
    with Running(world) as running:
        running.until_synced(sha)
        lose(world.state)
        running._thread.join(10)
        assert isinstance(running.failure, LostStoreError)
        assert str(running.failure).startswith(f"{world.state}/gitops.db: was deleted or replaced")
    with Running(world) as running:
        running.until_synced(world.commit(settings=config_map("settings", a="2")))
    assert world.check_audit()


def test_a_process_whose_store_is_lost_says_so_once_and_fails(world):
    world.commit(settings=config_map("settings"))
    with controller(world) as process:
        until_synced(world, process)
        delete(world.state)
        assert process.wait(10) == 4
    assert log_of(world).count("was deleted or replaced") == 1
