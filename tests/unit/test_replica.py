"""Several controllers over one set of Applications: each is run by one of them, whatever becomes of the others."""

import asyncio

import pytest

from gitops.controller.membership import LEASE_SECONDS, RENEW_SECONDS, WRITE_SECONDS
from gitops.controller.replica import Alone, Replica, until_single
from gitops.manifests.key import ResourceKey
from gitops.model.errors import ConfigError, UnreachableError
from gitops.testing.clock import SteppedClock
from gitops.testing.cluster import MemoryCluster

NAMES = [f"gitops/app-{number}" for number in range(30)]


class Fleet:
    """Replicas over one cluster and clock; `seconds` lets time pass."""

    def __init__(self):
        self.cluster = MemoryCluster()
        self.clock = SteppedClock()
        self.tasks = {}
        self.given_away = {}
        self.gains = {}
        self.holds_up = asyncio.Event()
        self.holds_up.set()

    def made(self, *, single=False):
        replica = Replica(
            self.cluster,
            self.clock,
            "gitops",
            single=single,
            losing=lambda stays: self._losing(replica, stays),
            gained=lambda: self.gains.__setitem__(replica, self.gains[replica] + 1),
        )
        self.gains[replica] = 0
        self.given_away[replica] = []
        return replica

    async def _losing(self, replica, stays):
        await self.holds_up.wait()
        self.given_away[replica].append([name for name in NAMES if not stays(name)])

    async def begun(self, *, single=False):
        """A replica that takes part, and had the time to."""
        await self.seconds(0.5)  # its name begins with when it started
        replica = self.made(single=single)
        self.tasks[replica] = asyncio.create_task(replica.run())
        await self.seconds(2 * RENEW_SECONDS)
        return replica

    async def seconds(self, seconds):
        for _ in range(round(seconds * 2)):
            await self.clock.step(0.5)
            await asyncio.sleep(0)

    async def dies(self, replica):
        task = self.tasks.pop(replica)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def leaves(self, replica):
        await self.dies(replica)
        await replica.leave()

    def lease(self, replica):
        return self.cluster.body(lease_of(replica))

    async def end(self):
        for replica in list(self.tasks):
            await self.dies(replica)


def lease_of(replica):
    return ResourceKey("coordination.k8s.io", "Lease", "gitops", f"gitops-{replica.name}")


def told(story):
    """Run a story (Fleet → coroutine) to its end."""

    async def whole():
        fleet = Fleet()
        try:
            return await story(fleet)
        finally:
            await fleet.end()

    return asyncio.run(whole())


def run_by(replica):
    return {name for name in NAMES if replica.runs(name)}


def test_one_alone_runs_everything_once_it_has_a_lease():
    async def story(fleet):
        replica = fleet.made()
        assert (run_by(replica), replica.may_write()) == (set(), False)
        replica = await fleet.begun()
        assert (run_by(replica), replica.may_write(), replica.stands_by_for) == (set(NAMES), True, "")
        lease = fleet.lease(replica)
        assert lease["metadata"]["labels"] == {"gitops.dev/member": "true"}
        assert lease["metadata"]["annotations"] == {"gitops.dev/view": replica.name}
        assert lease["spec"]["holderIdentity"] == replica.name
        assert lease["spec"]["leaseDurationSeconds"] == int(LEASE_SECONDS)
        assert replica.actor.startswith("gitops controller (")
        assert fleet.gains[replica] == 1

    told(story)


def test_a_lease_is_renewed_in_time_and_again():
    async def story(fleet):
        replica = await fleet.begun()
        before = fleet.lease(replica)["spec"]["renewTime"]
        await fleet.seconds(RENEW_SECONDS)
        assert fleet.lease(replica)["spec"]["renewTime"] > before
        await fleet.seconds(100)
        assert run_by(replica) == set(NAMES)
        assert fleet.gains[replica] == 1

    told(story)


def test_of_two_each_runs_its_share_and_nothing_is_run_twice():
    async def story(fleet):
        one, two = await fleet.begun(), await fleet.begun()
        await fleet.seconds(2 * RENEW_SECONDS)
        assert run_by(one) | run_by(two) == set(NAMES)
        assert run_by(one) & run_by(two) == set()
        assert 5 < len(run_by(one)) < 25
        view = ",".join(sorted((one.name, two.name)))
        for replica in (one, two):
            assert fleet.lease(replica)["metadata"]["annotations"] == {"gitops.dev/view": view}
        assert set(fleet.given_away[one][-1]) == run_by(two)

    told(story)


def test_at_no_moment_do_two_run_the_same():
    async def story(fleet):
        replicas = [await fleet.begun()]
        for what in ("begun", "begun", "dies", "begun", "leaves"):
            if what == "begun":
                await fleet.seconds(0.5)
                replica = fleet.made()
                fleet.tasks[replica] = asyncio.create_task(replica.run())
                replicas.append(replica)
            else:
                await getattr(fleet, what)(replicas[0])
                replicas.append(replicas.pop(0))
            for _ in range(44):
                await fleet.seconds(0.5)
                runs = [name for replica in replicas for name in run_by(replica)]
                assert len(runs) == len(set(runs))
        alive = [run_by(replica) for replica in fleet.tasks]
        assert set().union(*alive) == set(NAMES)

    told(story)


def test_what_one_leaves_the_other_takes_at_once():
    async def story(fleet):
        one, two = await fleet.begun(), await fleet.begun()
        await fleet.seconds(2 * RENEW_SECONDS)
        await fleet.leaves(one)
        assert (fleet.lease(one), one.may_write(), run_by(one)) == (None, False, set())
        await fleet.seconds(2 * RENEW_SECONDS)
        assert run_by(two) == set(NAMES)

    told(story)


def test_what_one_that_died_had_is_taken_when_its_lease_is_over_and_not_before():
    async def story(fleet):
        one, two = await fleet.begun(), await fleet.begun()
        await fleet.seconds(2 * RENEW_SECONDS)
        share = run_by(two)
        await fleet.dies(one)
        await fleet.seconds(WRITE_SECONDS - RENEW_SECONDS)
        assert run_by(two) == share
        assert one.may_write()
        await fleet.seconds(LEASE_SECONDS + 2 * RENEW_SECONDS)
        assert run_by(two) == set(NAMES)
        assert (one.may_write(), run_by(one)) == (False, set())

    told(story)


def test_where_only_one_may_run_the_others_stand_by_for_the_first():
    async def story(fleet):
        one, two = await fleet.begun(single=True), await fleet.begun(single=True)
        await fleet.seconds(2 * RENEW_SECONDS)
        assert (run_by(one), run_by(two)) == (set(NAMES), set())
        assert (one.stands_by_for, two.stands_by_for) == ("", one.name)
        await fleet.leaves(one)
        await fleet.seconds(2 * RENEW_SECONDS)
        assert (run_by(two), two.stands_by_for) == (set(NAMES), "")

    told(story)


def test_one_that_cannot_renew_stops_in_time_and_claims_nothing_when_it_is_back():
    async def story(fleet):
        replica = await fleet.begun()
        fleet.cluster.refuse_with("apply", lease_of(replica), UnreachableError("nobody answers"))
        await fleet.seconds(WRITE_SECONDS + 1)
        assert (replica.may_write(), run_by(replica)) == (False, set())
        assert fleet.given_away[replica][-1] == []
        fleet.cluster.refuse("apply", lease_of(replica), 0)
        await fleet.seconds(3 * RENEW_SECONDS)
        assert fleet.given_away[replica][1] == NAMES
        assert run_by(replica) == set(NAMES)
        assert fleet.gains[replica] == 2

    told(story)


def test_a_share_whose_passes_have_not_ended_is_not_given_away():
    async def story(fleet):
        one = await fleet.begun()
        fleet.holds_up.clear()
        two = await fleet.begun()
        await asyncio.sleep(0)
        await fleet.seconds(2)
        assert (run_by(one), run_by(two)) == (set(NAMES), set())

    told(story)


@pytest.mark.parametrize("code", [403, 404])
def test_where_no_lease_can_be_kept_that_is_an_error(code):
    async def story(fleet):
        replica = fleet.made()
        fleet.cluster.refuse("apply", lease_of(replica), code, "Refused", "no such namespace")
        with pytest.raises(ConfigError, match="Leases cannot be kept in namespace gitops: no such namespace; create"):
            await replica.run()

    told(story)


@pytest.mark.parametrize("error", ["busy", "away"])
def test_a_server_in_trouble_is_asked_again(error):
    async def story(fleet):
        replica = fleet.made()
        if error == "busy":
            fleet.cluster.refuse("apply", lease_of(replica), 500, "InternalError")
        else:
            fleet.cluster.refuse_with("apply", lease_of(replica), UnreachableError("nobody answers"))
        fleet.tasks[replica] = asyncio.create_task(replica.run())
        await fleet.seconds(3 * RENEW_SECONDS)
        assert not replica.may_write()
        fleet.cluster.refuse("apply", lease_of(replica), 0)
        await fleet.seconds(3 * RENEW_SECONDS)
        assert run_by(replica) == set(NAMES)

    told(story)


def test_a_lease_that_nobody_renews_is_cleared_away_after_ten_minutes():
    async def story(fleet):
        one, two = await fleet.begun(), await fleet.begun()
        await fleet.dies(one)
        await fleet.seconds(600)
        assert fleet.lease(one) is not None
        await fleet.seconds(60)
        assert fleet.lease(one) is None
        assert fleet.lease(two) is not None

    told(story)


def test_a_watch_that_ends_is_begun_again():
    async def story(fleet):
        one = await fleet.begun()
        fleet.cluster.end_watches()
        await fleet.seconds(RENEW_SECONDS)
        await fleet.begun()
        await fleet.seconds(2 * RENEW_SECONDS)
        assert len(run_by(one)) < len(NAMES)

    told(story)


def test_one_process_without_leases_runs_everything():
    alone = Alone()
    assert (alone.runs("gitops/app"), alone.may_write(), alone.actor) == (True, True, "gitops controller")


class SingleStore:
    """A store that is free after so many asks."""

    def __init__(self, asks):
        self.asks = asks

    async def claim_single(self):
        self.asks -= 1
        return self.asks <= 0


def test_a_store_that_one_may_use_is_waited_for(monkeypatch):
    monkeypatch.setattr("gitops.controller.replica._STAND_BY_SECONDS", 0.01)
    store = SingleStore(3)
    asyncio.run(until_single(store, asyncio.Event()))
    assert store.asks == 0


def test_who_is_told_to_stop_waits_no_longer():
    async def story():
        stop, store = asyncio.Event(), SingleStore(99)
        task = asyncio.create_task(until_single(store, stop))
        await asyncio.sleep(0.01)
        stop.set()
        await task
        return store.asks

    assert asyncio.run(story()) == 98
