"""How much of a soak is run: all of it by `make soak`, a share of it in continuous integration.

A share always tries the same examples, so that a run is green or red for a change and not by chance.
"""

import os

SHARE = float(os.environ.get("SOAK_SHARE", "1"))
IS_SHARE = SHARE < 1


def examples(full: int) -> int:
    """`full`, or the share of it that SOAK_SHARE asks for (0.005 is half a percent), but never less than five."""
    return max(5, int(full * SHARE))


def at_leisure(values: range) -> list[object]:
    """Parameters of which every other one is tried in a soak only."""
    import pytest

    marks = [pytest.mark.soak, pytest.mark.skipif(IS_SHARE, reason="only in a whole soak")]
    return [pytest.param(value, marks=marks) if number % 2 else value for number, value in enumerate(values)]
