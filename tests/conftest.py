"""The embedded cluster for every test that needs one: shared by a whole run, or fresh."""

import gc
import os
import signal
import threading
from contextlib import ExitStack

import pytest
import structlog

from gitops import logs
from gitops.sandbox.server import SandboxThread
from tests import warm

# Where the tests run in the background of a shell, programs that they start would not hear Ctrl-C.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN and threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)
# Set up by the first line that is written, loggers would stay as they are for all tests of the process.
logs._now.logger = structlog.get_logger()
# Repositories are made without the twenty files of example hooks that nobody reads.
os.environ["GIT_TEMPLATE_DIR"] = ""


def pytest_configure():
    gc.set_threshold(50_000, 20, 50)


def pytest_collection_finish():
    # Thousands of tests live until the end: looking through them for cycles again and again is a quarter of a run.
    gc.collect()
    gc.freeze()


def pytest_unconfigure():
    warm.end()


@pytest.fixture(scope="session")
def sandbox():
    """One running cluster for all tests of a worker; each test uses namespaces of its own.

    With SANDBOX_FAULTS in the environment it has a bad day (`make soak` runs the scenarios so).
    """
    with SandboxThread(nodes=3, speed=4.0, faults=os.environ.get("SANDBOX_FAULTS", "")) as running:
        yield running


@pytest.fixture
def fresh_sandbox():
    """Starts clusters of a test's own: `fresh_sandbox(controllers="none")`; they end with the test."""
    with ExitStack() as running:
        yield lambda **options: running.enter_context(SandboxThread(**options))


@pytest.fixture(scope="session")
def postgresql():
    """One PostgreSQL server for all tests of a worker; each makes databases of its own in it."""
    from tests.postgresql import running

    with running() as server:
        yield server
