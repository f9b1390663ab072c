"""Each story gets a world of its own on one shared embedded cluster."""

import itertools
import logging

import pytest
from structlog.testing import capture_logs

from gitops import logs
from tests.scenarios.http import Web
from tests.scenarios.running import Running
from tests.scenarios.world import World, config_map, deployment, forget

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


@pytest.fixture
def running(world):
    """A controller that has synced a ConfigMap and a Deployment."""
    world.sha = world.commit(settings=config_map("settings", a="1"), web=deployment("web"))
    with Running(world) as found:
        found.until_synced(world.sha)
        yield found


@pytest.fixture
def web(running, tmp_path):
    """That controller's page and API."""
    with Web(running, tmp_path) as found:
        yield found


@pytest.fixture
def far(web, world, tmp_path):
    """Runs a command through the server as ada, in a place that has neither a cluster nor a store."""

    def run(*words, token="ada", **places):
        nothing = tmp_path / "nothing"
        nothing.mkdir(exist_ok=True)
        here = {
            "GITOPS_SERVER": f"http://127.0.0.1:{web.port}",
            "GITOPS_TOKEN": web.tokens.get(token, token),
            "XDG_CONFIG_HOME": str(nothing),
            "KUBECONFIG": str(nothing / "none"),
            "GITOPS_STATE": str(nothing / "state"),
        }
        return world.gitops(*words, **{**here, **places})

    run.config = tmp_path / "nothing" / "gitops" / "servers.json"
    return run
