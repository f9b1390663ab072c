"""What a poller makes of its looks at a repository: who is told of a commit, and what is tried again."""

import asyncio
from dataclasses import replace

import pytest

from gitops.controller.poller import Poller
from gitops.controller.state import ApplicationIndex
from gitops.model.application import Application, Destination, SourceSpec
from gitops.model.errors import SourceError
from gitops.model.reads import Reads
from gitops.model.revision import Revision
from gitops.testing.clock import SteppedClock
from gitops.testing.source import MemoryRefs, MemoryRepositories, MemorySource

APP = Application(
    "app",
    source=SourceSpec(repoURL="https://git.example.com/shop.git"),
    destination=Destination(namespace="shop"),
    interval=0.2,  # of real time: a timetable goes by that
)
FAULT = "a fault in the controller; see its log"


class Branch(MemoryRepositories):
    """Its `head` is set to any of the commits; those that are `lost` are named, and cannot be fetched."""

    def __init__(self):
        super().__init__(MemorySource())
        self.head, self.lost, self.has_fault = "", set(), False

    def commit(self, **files):
        self.head = self.source.commit({f"{name}.yaml": text for name, text in files.items()})
        return self.head

    async def look(self, app):
        if self.has_fault:
            raise RuntimeError("nobody thought of it")
        return MemoryRefs(Revision(self.head, "main"))

    async def tree(self, app, revision):
        if revision.sha in self.lost:
            raise SourceError(f"{revision.sha} cannot be fetched")
        return await super().tree(app, revision)


class Bench:
    """A poller of a branch; `commits` and `moves` are what was told, by Application."""

    def __init__(self):
        self.branch, self.index, self.clock = Branch(), ApplicationIndex(), SteppedClock()
        self.commits, self.moves = [], []
        self.poller = Poller(self.branch, self.index, self.clock, self._on_commit, self._on_look, self.moves.append)

    def _on_commit(self, state, revision):
        state.source = replace(state.source, observed_revision=revision)
        self.commits.append((state.app.name, revision.sha))

    def _on_look(self, state, error):
        state.source = replace(state.source, look_error=error)

    def add(self, name="app"):
        state = self.index.add(replace(APP, name=name))
        self.poller.add(state)
        return state

    async def looked(self, times=2):
        """One that is under way may have begun before; the second has not."""
        until = self.poller.looks + times
        while self.poller.looks < until:
            await asyncio.sleep(0.01)
        await self.clock.step(0)

    def rendered(self, state, *paths):
        """What the newest commit means to it is known, and that it read these paths."""
        tree = self.branch.source.files_of(self.branch.head)
        reads = Reads({path: tree.get(path) for path in paths}, follows_links=False, above=frozenset())
        state.source = replace(state.source, equivalent_revision=self.branch.head, reads=reads)


@pytest.fixture
def run():
    def runner(scenario):
        async def main():
            bench = Bench()
            bench.poller.start()
            try:
                await scenario(bench)
            finally:
                bench.poller.stop()

        asyncio.run(main())

    return runner


async def not_fetched(bench):
    """A commit that could not be fetched, and can be from now on; its Application."""
    sha = bench.branch.commit(a="1")
    bench.branch.lost.add(sha)
    state = bench.add()
    await bench.looked()
    assert (bench.commits, state.source.look_error) == ([], f"{sha} cannot be fetched")
    bench.branch.lost.clear()
    return sha, state


def test_a_commit_that_could_not_be_fetched_is_tried_again_though_nothing_new_is_pushed(run):
    async def scenario(bench):
        sha, state = await not_fetched(bench)
        await bench.clock.step(3600)
        await bench.looked()
        assert (bench.commits, state.source.look_error) == ([("app", sha)], "")

    run(scenario)


def test_a_commit_that_could_not_be_fetched_is_left_alone_for_a_while_unless_somebody_asks(run):
    async def scenario(bench):
        sha, state = await not_fetched(bench)
        await bench.looked()
        assert (bench.commits, state.source.look_error) == ([], f"{sha} cannot be fetched")
        bench.poller.wake(state)
        await bench.looked()
        assert (bench.commits, state.source.look_error) == ([("app", sha)], "")

    run(scenario)


def test_a_commit_that_a_branch_comes_back_to_is_tried_at_once(run):
    async def scenario(bench):
        first = bench.branch.commit(a="1")
        bench.branch.lost.add(first)
        bench.add()
        await bench.looked()
        second = bench.branch.commit(a="2")
        await bench.looked()
        bench.branch.head = first
        bench.branch.lost.clear()
        await bench.looked()
        assert bench.commits == [("app", second), ("app", first)]

    run(scenario)


def test_those_whose_files_a_commit_leaves_alone_move_on_without_a_render(run):
    async def scenario(bench):
        first = bench.branch.commit(a="1", b="1")
        touched, other = bench.add("touched"), bench.add("other")
        await bench.looked()
        bench.rendered(touched, "a.yaml")
        bench.rendered(other, "b.yaml")
        second = bench.branch.commit(a="2", b="1")
        await bench.looked()
        assert sorted(bench.commits) == sorted([("touched", first), ("other", first), ("touched", second)])
        assert bench.moves == [other]
        assert (other.source.observed_revision.sha, other.source.equivalent_revision) == (second, second)

    run(scenario)


def test_one_whose_last_commit_is_not_rendered_yet_is_told_of_every_commit(run):
    async def scenario(bench):
        first = bench.branch.commit(a="1", b="1")
        state = bench.add()
        await bench.looked()
        bench.rendered(state, "b.yaml")
        shas = [first]
        for text in "23":  # the second is compared with one that is not rendered
            shas.append(bench.branch.commit(a=text, b=text))
            await bench.looked()
        shas.append(bench.branch.commit(a="4", b="3"))
        await bench.looked()
        assert bench.commits == [("app", sha) for sha in shas]

    run(scenario)


def test_a_look_with_a_fault_of_ours_is_told_and_the_next_may_work(run):
    async def scenario(bench):
        sha = bench.branch.commit(a="1")
        bench.branch.has_fault = True
        state = bench.add()
        await bench.looked(1)
        assert (bench.commits, state.source.look_error) == ([], FAULT)
        bench.branch.has_fault = False
        bench.poller.wake(state)
        await bench.looked()
        assert (bench.commits, state.source.look_error) == ([("app", sha)], "")

    run(scenario)
