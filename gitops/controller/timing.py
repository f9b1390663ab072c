"""Durations counted into buckets, as Prometheus' histograms want them."""

from bisect import bisect_left
from collections.abc import Iterator
from math import inf

_BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, inf)


class Timing:
    """Seconds, each counted in the first bucket that holds it."""

    def __init__(self) -> None:
        self._counts = [0] * len(_BOUNDS)
        self.total = 0.0

    def add(self, seconds: float) -> None:
        self._counts[bisect_left(_BOUNDS, seconds)] += 1
        self.total += seconds

    def cumulated(self) -> Iterator[tuple[str, int]]:
        """(upper bound, how many were at most that), "+Inf" last."""
        count = 0
        for bound, here in zip(_BOUNDS, self._counts, strict=True):
            count += here
            yield ("+Inf" if bound == inf else str(bound)), count
