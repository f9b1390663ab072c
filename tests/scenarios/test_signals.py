"""What ends the process of a controller: each such signal lets it give away what it has."""

import signal
import subprocess
import time

import pytest

from tests.scenarios.test_controller_soak import controller, log_of
from tests.scenarios.world import config_map


@pytest.fixture
def hangup():
    """Sets what the processes of a test do at a hangup: nobody knows how the tests themselves were started."""
    before = signal.getsignal(signal.SIGHUP)
    yield lambda what: signal.signal(signal.SIGHUP, what)
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_end_lets_it_stop_in_order(world, number, hangup):
    hangup(signal.SIG_DFL)
    world.commit(settings=config_map("settings"))
    with controller(world) as process:
        until_synced(world, process)
        process.send_signal(number)
        assert ended(process, world) == 0, log_of(world)
    assert "controller.stopped" in log_of(world)


def test_a_hangup_that_whoever_started_it_ignores_is_ignored(world, hangup):
    """As `nohup` does."""
    hangup(signal.SIG_IGN)
    world.commit(settings=config_map("settings"))
    with controller(world) as process:
        until_synced(world, process)
        process.send_signal(signal.SIGHUP)
        time.sleep(1.0)
        assert process.poll() is None


def ended(process, world):
    """Its exit code, which has to come within ten seconds; else what it waits for is told."""
    try:
        return process.wait(10)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGUSR1)
        time.sleep(1.0)
        pytest.fail(log_of(world))


def until_synced(world, process):
    deadline = time.monotonic() + 30
    while "application.synced" not in log_of(world):
        assert process.poll() is None, log_of(world)
        assert time.monotonic() < deadline, log_of(world)
        time.sleep(0.05)
