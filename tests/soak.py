"""How much of a soak is run: all of it by `make soak`, a share of it in continuous integration.

A share always tries the same examples, so that a run is green or red for a change and not by chance.
"""

import os
from collections.abc import Iterable, Mapping
from typing import TypeVar

import pytest

T = TypeVar("T")

SHARE = float(os.environ.get("SOAK_SHARE", "1"))
IS_SHARE = SHARE < 1


def examples(full: int) -> int:
    """`full`, or the share of it that SOAK_SHARE asks for (0.005 is half a percent), but never less than five."""
    return max(5, int(full * SHARE))


def only_at_leisure(test: T) -> T:
    """A test that is run by a whole soak, and not by its share."""
    return pytest.mark.soak(pytest.mark.skipif(IS_SHARE, reason="only in a whole soak")(test))


AT_LEISURE = [pytest.mark.soak, pytest.mark.skipif(IS_SHARE, reason="only in a whole soak")]


def at_leisure(values: Iterable[object]) -> list[object]:
    """Parameters of which every other one is tried in a whole soak only."""
    return [pytest.param(value, marks=AT_LEISURE) if number % 2 else value for number, value in enumerate(values)]


def spread(values: Iterable[object], cases: Mapping[str, tuple[object, ...]]) -> list[object]:
    """Each value with each case, as parameters; all but one case for each value are tried in a whole soak only."""
    return [
        pytest.param(value, *case, id=f"{value}-{name}", marks=[] if number % len(cases) == turn else AT_LEISURE)
        for number, value in enumerate(values)
        for turn, (name, case) in enumerate(cases.items())
    ]
