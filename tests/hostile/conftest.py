"""A world whose cluster is reached through a proxy that may answer anything."""

import itertools
import logging

import pytest
from structlog.testing import capture_logs

from gitops import logs
from tests.hostile.proxy import Proxy
from tests.scenarios.world import World, forget

_numbers = itertools.count(1)


@pytest.fixture
def proxy(sandbox):
    with Proxy(sandbox) as running:
        yield running


@pytest.fixture
def world(proxy, sandbox, tmp_path):
    made = World(tmp_path, proxy.kubeconfig(), f"hostile-{next(_numbers)}")
    yield made
    forget(sandbox, made.namespace)


@pytest.fixture
def lines(monkeypatch):
    """Every log line as a dict, as they come."""
    monkeypatch.setattr(logs._now, "level", logging.INFO)
    with capture_logs() as found:
        yield found
