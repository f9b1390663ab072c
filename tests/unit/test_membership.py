"""Who runs what: never two, and soon one; any order of steps between replicas, made up by hypothesis."""

from hypothesis import given, settings
from hypothesis import strategies as st

from gitops.controller.membership import LEASE_SECONDS, Liveness, owner_of, runs

NAMES = ("a", "b", "c")
APPLICATIONS = [f"team/app-{number}" for number in range(12)]


def test_of_many_applications_few_move_when_a_member_comes():
    before = {app: owner_of(app, {"a", "b"}) for app in (f"team/{number}" for number in range(1000))}
    moved = [app for app, owner in before.items() if owner_of(app, {"a", "b", "c"}) != owner]
    assert 250 < len(moved) < 420
    assert all(owner_of(app, {"a", "b", "c"}) == "c" for app in moved)


def test_members_without_a_common_store_leave_all_to_the_first_that_came():
    assert {owner_of(app, {"002-b", "001-a"}, single=True) for app in APPLICATIONS} == {"001-a"}


def test_a_lease_that_does_not_change_is_taken_for_dead_after_its_time():
    liveness = Liveness()
    liveness.saw("a", "10:00", 0.0)
    liveness.saw("a", "10:00", LEASE_SECONDS - 1)
    assert liveness.alive(LEASE_SECONDS - 0.1) == {"a"}
    assert liveness.alive(LEASE_SECONDS) == frozenset()
    liveness.saw("a", "10:12", LEASE_SECONDS + 2)
    assert liveness.alive(LEASE_SECONDS + 3) == {"a"}


class Server:
    """The Leases as the API server keeps them."""

    def __init__(self):
        self.views = {}


class Player:
    """A replica's steps, as `gitops.controller.replica` takes them, one at a time; its picture of others may be old."""

    def __init__(self, name, server):
        self.name, self.server = name, server
        self.own, self.seen, self.wanted = [frozenset()], {}, None
        server.views[name] = frozenset()

    def running(self):
        others = {name: view for name, view in self.seen.items() if name != self.name}
        return {app for app in APPLICATIONS if runs(app, self.name, self.own, others, single=False)}

    def begin(self, alive):
        """Give away: from here on both views must agree."""
        self.wanted = frozenset(alive) | {self.name}
        self.own = [*self.own, self.wanted]

    def publish(self):
        if self.wanted is not None:
            self.server.views[self.name] = self.wanted

    def take(self):
        """Read all Leases as they are, then act on the new view, if it was published."""
        if self.wanted is not None and self.server.views[self.name] == self.wanted:
            self.look()
            self.own, self.wanted = [self.wanted], None

    def look(self):
        self.seen = dict(self.server.views)


steps = st.lists(
    st.tuples(
        st.sampled_from(NAMES), st.sampled_from(["begin", "publish", "take", "look"]), st.sets(st.sampled_from(NAMES))
    ),
    max_size=60,
)


@settings(max_examples=500, deadline=None)
@given(steps)
def test_no_application_is_ever_run_by_two_whatever_the_order_of_steps(sequence):
    server = Server()
    players = {name: Player(name, server) for name in NAMES}
    for name, step, alive in sequence:
        player = players[name]
        getattr(player, step)(*([alive] if step == "begin" else []))
        owners = [app for player in players.values() for app in player.running()]
        assert len(owners) == len(set(owners))


def test_when_all_agree_each_application_is_run_by_one():
    server = Server()
    players = [Player(name, server) for name in NAMES]
    for step in ("begin", "publish", "take", "look"):
        for player in players:
            getattr(player, step)(*([NAMES] if step == "begin" else []))
    assert sorted(app for player in players for app in player.running()) == sorted(APPLICATIONS)


def test_a_lease_that_was_given_up_is_dead_at_once_and_alive_again_when_it_is_back():
    liveness = Liveness()
    liveness.saw("a", "10:00", 0.0)
    liveness.saw("b", "10:00", 0.0)
    liveness.lost("a")
    liveness.lost("never-seen")
    assert liveness.alive(0.1) == {"b"}
    liveness.saw("a", "10:00", 0.2)
    assert liveness.alive(0.3) == {"a", "b"}
