"""Objects of public Flux repositories: nearly all are run, none with a field left out, and damaged ones stop nobody."""

import contextlib
import copy
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gitops.compat.flux.objects import FluxObjects, is_of_flux
from gitops.compat.flux.reading import read
from gitops.compat.flux.tree import FluxTree
from gitops.config import application_of
from gitops.model.errors import ConfigError

DATA = Path(__file__).parents[1] / "data/flux/objects.jsonl"
OBJECTS = [json.loads(line) for line in DATA.read_text().splitlines()]
RUN = [body for body in OBJECTS if read(body, FluxObjects(OBJECTS)).outcome == "run"]
# Maps whose keys are the user's own, and what is a patch for others to read.
FREE = {"values", "substitute", "labels", "annotations", "eventMetadata", "metadata", "patch"}
STRANGE: list[Any] = [
    *(None, 0, -1, 1.5, True, "", "x", "../..", "/", {}, [], [None], [{}], {"a": 1}, "a" * 70, "1h", "${x}"),
    *(10**30, float("inf"), ["x"], "oci://", "https://u:p@h/x", "\x00", [[]], {"name": 5}, {"kind": []}),
]


def test_nearly_all_are_run() -> None:
    delivered = [body for body in OBJECTS if not body["apiVersion"].startswith("image.")]
    assert len([body for body in RUN if body in delivered]) / len(delivered) > 0.9


def maps(node: Any, name: str = "spec") -> Iterator[dict[str, Any]]:
    if isinstance(node, dict) and name not in FREE:
        yield node
        for key, value in node.items():
            yield from maps(value, key)
    elif isinstance(node, list) and name not in FREE:
        for item in node:
            yield from maps(item, name)


@pytest.mark.parametrize("number", range(len(RUN)))
def test_a_field_that_is_not_known_is_refused_wherever_it_stands(number: int) -> None:
    body = RUN[number]
    for place in range(len(list(maps(body["spec"])))):
        changed = copy.deepcopy(body)
        list(maps(changed["spec"]))[place]["unknownField"] = 1
        found = read(changed, FluxObjects([*OBJECTS, changed]))
        assert found.outcome == "refused", changed
        assert any("unknownField" in reason for reason in found.reasons)


def paths(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        yield from paths(value, (*path, key))


def damaged(chance: random.Random) -> dict[str, Any]:
    body = copy.deepcopy(chance.choice(OBJECTS))
    for _ in range(chance.randint(1, 3)):
        found = [path for path in paths(body) if path and path[0] not in ("apiVersion", "kind")]
        path, node = chance.choice(found), body
        for key in path[:-1]:
            node = node[key]
        node[path[-1]] = copy.deepcopy(chance.choice(STRANGE))  # type: ignore[index]
    return body


@pytest.mark.parametrize("seed", range(8))
def test_a_damaged_object_is_answered_like_any_other(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(150):
        body = damaged(chance)
        if not is_of_flux(body):
            continue
        found = read(body, FluxObjects([*OBJECTS, body]))
        if found.application is not None:
            with contextlib.suppress(ConfigError):
                application_of(found.application)
        tree = FluxTree([*chance.sample(OBJECTS, 10), body])
        tree.due(), tree.left(), tree.others()
