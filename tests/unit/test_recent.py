"""Answers that many ask for at once are made once; a fault, or one who leaves, spoils them for nobody else."""

import asyncio

import pytest

from gitops.server import recent
from gitops.server.recent import RecentAnswers


class Maker:
    """Counts what it makes; waits for `may_end`, and fails while `broken`."""

    def __init__(self):
        self.made = 0
        self.broken = False
        self.may_end = asyncio.Event()
        self.may_end.set()

    async def __call__(self):
        self.made += 1
        number = self.made
        await self.may_end.wait()
        if self.broken:
            raise ValueError("it is broken")
        return {"number": number}


def run(story):
    async def whole():
        await story(Maker())

    asyncio.run(whole())


def test_an_answer_of_the_last_moment_is_given_again_and_an_old_one_is_made_anew():
    async def story(make):
        kept, fleeting = RecentAnswers(3600.0), RecentAnswers(-1.0)
        assert [await kept.get("a", make) for _ in range(2)] == [{"number": 1}] * 2
        assert await kept.get("b", make) == {"number": 2}
        assert [await fleeting.get("a", make) for _ in range(2)] == [{"number": 3}, {"number": 4}]

    run(story)


def test_who_asks_meanwhile_waits_for_the_same_answer_however_old_it_is():
    async def story(make):
        answers = RecentAnswers(-1.0)
        make.may_end.clear()
        asking = [asyncio.create_task(answers.get("a", make)) for _ in range(3)]
        await asyncio.sleep(0)
        make.may_end.set()
        assert await asyncio.gather(*asking) == [{"number": 1}] * 3

    run(story)


def test_a_fault_is_told_to_who_waits_and_made_good_for_who_comes_after():
    async def story(make):
        answers = RecentAnswers(3600.0)
        make.broken = True
        with pytest.raises(ValueError, match="it is broken"):
            await answers.get("a", make)
        make.broken = False
        assert await answers.get("a", make) == {"number": 2}

    run(story)


def test_who_leaves_takes_the_answer_from_nobody_else():
    async def story(make):
        answers = RecentAnswers(3600.0)
        make.may_end.clear()
        leaving, staying = (asyncio.create_task(answers.get("a", make)) for _ in range(2))
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.sleep(0)
        make.may_end.set()
        assert await staying == {"number": 1}
        assert leaving.cancelled()

    run(story)


def test_what_was_done_to_an_application_is_seen_by_who_looks_next():
    async def story(make):
        answers = RecentAnswers(3600.0)
        for name in ("tree team/a", "tree team/ab", "team/a Pod x"):
            await answers.get(name, make)
        answers.forget("team/a")
        assert await answers.get("tree team/ab", make) == {"number": 2}
        assert await answers.get("tree team/a", make) == {"number": 4}
        assert await answers.get("team/a Pod x", make) == {"number": 5}

    run(story)


def test_the_oldest_are_forgotten_first(monkeypatch):
    monkeypatch.setattr(recent, "_MOST", 2)

    async def story(make):
        answers = RecentAnswers(3600.0)
        for name in "abc":
            await answers.get(name, make)
        assert await answers.get("c", make) == {"number": 3}
        assert await answers.get("b", make) == {"number": 2}
        assert await answers.get("a", make) == {"number": 4}

    run(story)
