"""What passes took and how they ended: durations counted into buckets, as Prometheus' histograms want them."""

from bisect import bisect_left
from collections.abc import Iterator
from math import inf

from gitops.controller.state import ApplicationState

_BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, inf)


class Histogram:
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


class PassMetrics:
    """All passes since the controller began; `outcomes` are those of syncs, `audited` how many entries were written."""

    def __init__(self) -> None:
        self.passes, self.syncs, self.to_healthy = Histogram(), Histogram(), Histogram()
        self.outcomes: dict[str, int] = {}
        self.audited = 0
        self.notified: dict[tuple[str, str], int] = {}  # (destination, result) → how many

    def noted(self) -> None:
        self.audited += 1

    def count(self, state: ApplicationState, seconds: float) -> None:
        """A pass of so many seconds has ended."""
        self.passes.add(seconds)
        if state.times.sync_seconds is not None and state.last.outcome is not None:
            self.syncs.add(state.times.sync_seconds)
            self.outcomes[state.last.outcome.value] = self.outcomes.get(state.last.outcome.value, 0) + 1
        if state.times.healthy_seconds is not None:
            self.to_healthy.add(state.times.healthy_seconds)
        state.times.counted()
