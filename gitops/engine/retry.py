"""When a sync that failed is tried again."""

from gitops.model.application import Retry


def delay_after(failures: int, retry: Retry) -> float | None:
    """The seconds to wait after the `failures`-th failure in a row (1 = the first); None when that was the last try."""
    if failures > retry.limit:
        return None
    backoff = retry.backoff
    # The exponent is bounded, so that no count of failures is too large a number.
    return min(backoff.duration * backoff.factor ** min(failures - 1, 64), backoff.maxDuration)
