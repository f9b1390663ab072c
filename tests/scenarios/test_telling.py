"""What a controller says of its Applications, in its log and to whoever asks: once, in words, and when it is over."""

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from tests.scenarios.running import Running
from tests.scenarios.test_clusters import to
from tests.scenarios.test_controller import application
from tests.scenarios.world import config_map


@pytest.fixture
def lines():
    """Every log line as a dict, as they come."""
    with capture_logs() as found:
        yield found


def of(lines, event):
    return [line for line in lines if line["event"] == event]


def test_a_branch_that_is_gone_is_told_once_with_what_may_be_meant_and_once_when_it_is_back(world, lines):
    sha = world.commit(settings=config_map("settings"))
    with Running(world) as running:
        running.until_synced(sha)
        world._git("branch", "-m", "main", "trunk")
        running.until(lambda: "did you mean trunk?" in running.tracked().problem)
        looks = running.controller.poller.looks
        running.until(lambda: running.controller.poller.looks > looks + 3)
        (line,) = of(lines, "revision.missing")
        assert (line["application"], line["log_level"]) == ("gitops/app", "warning")
        assert "no branch or tag is called main (did you mean trunk?)" in line["error"]
        world._git("branch", "-m", "trunk", "main")
        running.until(lambda: not running.tracked().problem)
        assert len(of(lines, "revision.found")) == 1


def test_a_repository_that_cannot_be_read_is_told_once_and_once_when_it_can_be_again(world, lines, monkeypatch):
    monkeypatch.setattr("gitops.controller.poller._FIRST_BACKOFF", 0.1)
    sha = world.commit(settings=config_map("settings"))
    with Running(world, *(application(world, name) for name in ("one", "two"))) as running:
        running.until(lambda: running.tracked("gitops/one").head)
        away = world.repository.rename(world.folder / "elsewhere")
        running.until(lambda: running.tracked("gitops/one").problem)
        looks = running.controller.poller.looks
        running.until(lambda: running.controller.poller.looks > looks + 2)
        assert len(of(lines, "poll.failed")) == 1
        away.rename(world.repository)
        running.until(lambda: not running.tracked("gitops/one").problem)
        running.until(lambda: of(lines, "poll.works-again"))
        assert not of(lines, "revision.missing") + of(lines, "revision.found")
    assert sha


def test_a_cluster_that_is_not_known_is_told_once(world, lines):
    world.commit(settings=config_map("settings"))
    with Running(world, to(application(world, "app"), "nowhere")) as running:
        running.until(lambda: running.tracked().problem)
        sha = world.commit(settings=config_map("settings", a="2"))
        running.until(lambda: running.tracked().head.sha == sha)
        (line,) = of(lines, "cluster.unknown")
        assert "nowhere" in line["error"]
        assert running.tracked().health.word == "Unknown"


def test_an_application_that_was_never_synced_is_missing_not_healthy(world):
    world.commit(settings=config_map("settings"))
    sync = replace(world.app.sync, automated=False)
    with Running(world, replace(world.app, sync=sync, interval=0.3)) as running:
        assert running.tracked().health.word == "Unknown"
        running.until(lambda: running.tracked().answer)
        assert running.tracked().health.word == "Missing"
