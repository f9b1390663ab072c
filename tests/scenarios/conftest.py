"""Each story gets a world of its own on one shared embedded cluster."""

import itertools

import pytest

from tests.scenarios.world import World

_numbers = itertools.count(1)


@pytest.fixture
def world(sandbox, tmp_path):
    return World(tmp_path, sandbox.kubeconfig(), f"story-{next(_numbers)}")
