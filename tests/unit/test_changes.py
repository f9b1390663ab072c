"""The feed of changes: who was away is told what it missed, once each, or that this is not known."""

import asyncio

from gitops.server.changes import ChangeFeed


def test_who_was_away_is_told_each_application_once_the_oldest_change_first():
    feed = ChangeFeed()
    feed.note("a")
    seen = feed.number
    for name in ("b", "a", "b", "c"):
        feed.note(name)
    assert feed.since(seen) == ["a", "b", "c"]
    assert feed.since(feed.number) == []


def test_an_id_of_another_life_or_of_too_long_ago_is_not_known():
    feed = ChangeFeed(most=2)
    first = feed.id
    for name in "abc":
        feed.note(name)
    assert feed.number_in(first) is None
    assert feed.number_in(feed.id) == 3
    for given in ("", "x", f"{feed.id}0", "ffffffff-3", feed.id.replace("-", "--"), feed.id.partition("-")[0] + "-²"):
        assert feed.number_in(given) is None


def test_a_change_wakes_who_waits_and_time_ends_the_wait():
    async def work():
        feed = ChangeFeed()
        waiting = asyncio.create_task(feed.after(0, 5))
        await asyncio.sleep(0)
        feed.note("a")
        return await waiting, await feed.after(0, 5), await feed.after(1, 0.01)

    assert asyncio.run(work()) == (True, True, False)
