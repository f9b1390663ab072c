"""When a failed sync is tried again."""

from gitops.engine.retry import delay_after, pause_after
from gitops.model.application import Backoff, Retry


def test_waits_grow_to_their_limit_and_end():
    retry = Retry(limit=4, backoff=Backoff(duration=5.0, factor=3.0, maxDuration=60.0))
    assert [delay_after(count, retry) for count in range(1, 6)] == [5.0, 15.0, 45.0, 60.0, None]


def test_no_count_of_failures_is_too_large():
    assert delay_after(10_000, Retry(limit=10**6)) == 180.0


def test_a_limit_of_none_at_all_tries_once():
    assert delay_after(1, Retry(limit=0)) is None


def test_a_pause_doubles_from_the_first_to_the_longest():
    assert [pause_after(count, 2.0, 30.0) for count in (0, 1, 2, 3, 4, 5, 10**9)] == [2, 2, 4, 8, 16, 30, 30]
