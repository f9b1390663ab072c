"""How long to wait after failures in a row: of a sync, a pass, a repository, a watch."""

from gitops.model.application import Retry


def pause_after(failures: int, first: float, longest: float, factor: float = 2.0) -> float:
    """The seconds to wait after the `failures`-th failure in a row (1 = the first): `first`, then `factor` times more.

    At most `longest`, whatever the count.
    """
    # The exponent is bounded, so that no count of failures is too large a number.
    return min(first * factor ** min(max(failures, 1) - 1, 64), longest)


def delay_after(failures: int, retry: Retry) -> float | None:
    """The seconds to wait after the `failures`-th sync in a row that failed; None when that was the last try."""
    if failures > retry.limit:
        return None
    backoff = retry.backoff
    return pause_after(failures, backoff.duration, backoff.maxDuration, backoff.factor)
