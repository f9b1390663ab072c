"""Each story gets a world of its own on one shared embedded cluster."""

import itertools
import logging

import pytest
from structlog.testing import capture_logs

from gitops import logs
from tests.scenarios.world import World, forget

_numbers = itertools.count(1)


@pytest.fixture
def world(sandbox, tmp_path):
    made = World(tmp_path, sandbox.kubeconfig(), f"story-{next(_numbers)}")
    yield made
    forget(sandbox, made.namespace)


@pytest.fixture
def lines(monkeypatch):
    """Every log line as a dict, as they come."""
    monkeypatch.setattr(logs._now, "level", logging.INFO)
    with capture_logs() as found:
        yield found
