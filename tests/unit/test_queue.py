"""The controller's queue: once each, urgent first, tenants in turn."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from gitops.controller.queue import Priority, WorkQueue


async def taken(queue: WorkQueue, count: int) -> list[str]:
    return [(await asyncio.wait_for(queue.take(), 1))[0] for _ in range(count)]


def test_a_key_waits_once_however_often_it_is_put():
    async def story():
        queue = WorkQueue()
        for _ in range(3):
            queue.put("a", "team", Priority.DRIFT)
        assert len(queue) == 1
        assert await taken(queue, 1) == ["a"]
        assert len(queue) == 0

    asyncio.run(story())


def test_a_more_urgent_wish_moves_a_key_forward():
    async def story():
        queue = WorkQueue()
        queue.put("a", "team", Priority.DRIFT)
        queue.put("b", "team", Priority.RESYNC)
        queue.put("b", "team", Priority.PERSON)
        assert await queue.take() == ("b", Priority.PERSON)
        assert await queue.take() == ("a", Priority.DRIFT)

    asyncio.run(story())


def test_tenants_take_turns():
    async def story():
        queue = WorkQueue()
        for number in range(100):
            queue.put(f"large/{number}", "large", Priority.COMMIT)
        queue.put("small/0", "small", Priority.COMMIT)
        assert await taken(queue, 2) == ["large/0", "small/0"]

    asyncio.run(story())


def test_a_tenant_of_whom_all_was_dropped_holds_nobody_up():
    async def story():
        queue = WorkQueue()
        queue.put("a", "gone", Priority.COMMIT)
        queue.put("b", "team", Priority.COMMIT)
        queue.put("c", "team", Priority.DRIFT)
        queue.drop("a")
        assert await taken(queue, 2) == ["b", "c"]

    asyncio.run(story())


def test_the_most_urgent_wish_that_came_while_it_ran_is_told_when_it_is_done():
    async def story():
        queue = WorkQueue()
        queue.put("a", "team", Priority.COMMIT)
        await queue.take()
        queue.put("a", "team", Priority.DRIFT)
        queue.put("a", "team", Priority.PERSON)
        assert len(queue) == 0
        assert queue.done("a") is Priority.PERSON
        queue.put("a", "team", Priority.PERSON)
        assert await queue.take() == ("a", Priority.PERSON)
        assert queue.done("a") is None
        assert len(queue) == 0

    asyncio.run(story())


def test_the_earlier_of_two_times_counts_and_what_waits_for_its_time_is_not_in_line():
    async def story():
        queue = WorkQueue()
        queue.put("a", "team", Priority.RESYNC, after=30)
        queue.put("a", "team", Priority.RESYNC, after=0.01)
        queue.put("a", "team", Priority.RESYNC, after=60)
        assert len(queue) == 0
        assert await taken(queue, 1) == ["a"]

    asyncio.run(story())


def test_a_dropped_key_does_not_come_back():
    async def story():
        queue = WorkQueue()
        queue.put("a", "team", Priority.COMMIT)
        await queue.take()
        queue.put("a", "team", Priority.DRIFT)
        queue.put("b", "team", Priority.RESYNC, after=0.01)
        queue.drop("a")
        queue.drop("b")
        assert queue.done("a") is None
        await asyncio.sleep(0.03)
        assert len(queue) == 0

    asyncio.run(story())


def again(queue: WorkQueue, key: str) -> None:
    wished = queue.done(key)
    if wished is not None:
        queue.put(key, key, wished)


acts = st.lists(
    st.tuples(st.sampled_from(["put", "take", "done"]), st.sampled_from("abcdef"), st.sampled_from(Priority))
)


@settings(max_examples=200, deadline=None)
@given(acts)
def test_no_wish_is_lost_and_no_key_runs_twice_at_once(sequence):
    async def story():
        queue, running, wished = WorkQueue(), set(), set()
        for verb, key, priority in sequence:
            if verb == "put":
                queue.put(key, key, priority)
                wished.add(key)
            elif verb == "take" and len(queue):
                found, _ = await queue.take()
                assert found not in running
                running.add(found)
                wished.discard(found)
            elif verb == "done" and running:
                ended = min(running)
                running.remove(ended)
                again(queue, ended)
        for key in sorted(running):
            again(queue, key)
        assert sorted(await taken(queue, len(queue))) == sorted(wished)

    asyncio.run(story())


def test_what_is_put_for_later_while_its_pass_runs_comes_after_that():
    async def story():
        queue = WorkQueue()
        queue.put("a", "team", Priority.COMMIT)
        await queue.take()
        queue.put("a", "team", Priority.RESYNC, after=0.02)
        queue.put("a", "team", Priority.RESYNC, after=0.01)
        assert queue.done("a") is None
        assert await taken(queue, 1) == ["a"]
        queue.put("a", "team", Priority.RESYNC, after=0.01)
        await asyncio.sleep(0.03)
        assert queue.done("a") is Priority.RESYNC

    asyncio.run(story())


def test_a_more_urgent_wish_does_not_leave_a_second_one_behind():
    async def story():
        queue = WorkQueue()
        queue.put("a", "team", Priority.RESYNC)
        queue.put("a", "team", Priority.COMMIT)
        queue.put("a", "team", Priority.DRIFT)
        assert await queue.take() == ("a", Priority.COMMIT)
        assert (len(queue), queue.done("a")) == (0, None)

    asyncio.run(story())


def test_what_is_dropped_is_given_out_no_more_whether_it_waits_runs_or_is_for_later():
    async def story():
        queue = WorkQueue()
        for key in ("a", "b", "running", "c"):
            queue.put(key, "team", Priority.PERSON if key == "running" else Priority.DRIFT)
        queue.put("later", "team", Priority.PERSON, after=0.01)
        assert await queue.take() == ("running", Priority.PERSON)
        queue.put("running", "team", Priority.PERSON)
        for key in ("b", "running", "later", "unknown"):
            queue.drop(key)
        assert queue.done("running") is None
        await asyncio.sleep(0.03)
        assert len(queue) == 2
        assert await taken(queue, 2) == ["a", "c"]

    asyncio.run(story())
