"""Whatever happens in between, a quiet sync ends right: what we own equals the commit, the rest is untouched.

The soak can be shared among processes: each with its SOAK_SHARE, and a HISTORIES_SEED of its own.
"""

import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from gitops.model.errors import GitopsError
from gitops.model.result import Outcome
from tests.scenarios.world import World, config_map, deployment, refused
from tests.soak import examples, only_at_leisure

NAMES = st.sampled_from(["a", "b", "c", "d"])
VALUES = st.sampled_from(["1", "2", "3"])
KEYS = st.sampled_from(["x", "y"])
_numbers = iter(range(1, 10_000_000))


class AnyHistory(RuleBasedStateMachine):
    """Commits, hand edits, other managers, kills and API faults in any order; each `quiet_sync` must end right."""

    sandbox = None  # set by the test that runs it

    @initialize()
    def open(self):
        self.folder = tempfile.TemporaryDirectory()
        self.world = World(Path(self.folder.name), self.sandbox.kubeconfig(), f"any-{next(_numbers)}")
        self.desired: dict[str, dict[str, str]] = {}
        self.theirs: dict[str, str] = {}
        self.replicas = 0
        self._commit()

    def _commit(self):
        bodies = [config_map(name, **data) for name, data in sorted(self.desired.items())]
        bodies += [deployment("web", replicas=self.replicas)] if self.replicas else []
        bodies += [config_map("always")]
        self.world.commit(all=bodies)

    @rule(name=NAMES, key=KEYS, value=VALUES)
    def commit_a_value(self, name, key, value):
        self.desired[name] = {**self.desired.get(name, {}), key: value}
        self._commit()

    @rule(name=NAMES, key=KEYS)
    def commit_a_removal(self, name, key):
        self.desired.get(name, {}).pop(key, None)
        if not self.desired.get(name):
            self.desired.pop(name, None)
        self._commit()

    @rule(replicas=st.integers(0, 3))
    def commit_a_workload(self, replicas):
        self.replicas = replicas
        self._commit()

    @rule(name=NAMES, key=KEYS, value=VALUES)
    def edit_by_hand(self, name, key, value):
        self._quietly(lambda: self.world.edit(f"core/configmaps/{name}", {"data": {key: f"hand-{value}"}}))

    @rule(name=NAMES)
    def strip_the_marks(self, name):
        marks = {"metadata": {"labels": None, "annotations": None}}
        self._quietly(lambda: self.world.edit(f"core/configmaps/{name}", marks))

    @rule(name=NAMES)
    def delete_by_hand(self, name):
        path = f"/api/v1/namespaces/{self.world.namespace}/configmaps/{name}"
        self._quietly(lambda: self.world.request("DELETE", path))
        self.theirs.pop(name, None)

    @rule(name=NAMES, value=VALUES)
    def another_manager_applies_its_own_field(self, name, value):
        if self.world.get("ConfigMap", name):
            body = {**config_map(name, theirs=value)}
            path = f"/api/v1/namespaces/{self.world.namespace}/configmaps/{name}"
            self.world.request("PATCH", path, body, "other", "application/apply-patch+yaml")
            self.theirs[name] = value

    @rule()
    def sync_under_faults(self):
        self.sandbox.set_faults("error=429:10%,500:10%,reset:10%")
        try:
            self._quietly(lambda: self.world.sync(wait=False, confirm=True))
        finally:
            self.sandbox.set_faults("")

    @rule(after=st.integers(1, 12))
    def kill_a_sync(self, after):
        """Stop between any two requests, as a kill would: nothing more is sent, nothing is recorded."""
        self._quietly(lambda: self.world.sync_killed_after(after, confirm=True))

    @precondition(lambda self: not self.replicas)  # nothing rolls out here, so workloads never become healthy
    @rule(name=NAMES, value=VALUES, after=st.integers(0, 14))
    def a_commit_that_fails_is_undone_wherever_its_sync_is_killed(self, name, value, after):
        self._quietly(lambda: self.world.sync(confirm=True))
        if not self._is_synced():
            return
        before = self._live()
        bodies = [config_map(each, **data) for each, data in sorted(self.desired.items()) if each != name]
        data = self.desired.get(name, {})
        # What a person has set and no commit held is lost when a commit sets it: a release does not know of it.
        changed = config_map(name, **{**data, "x" if "x" in data else "bad": f"bad-{value}"})
        self.world.commit(
            all=[*bodies, changed, config_map("always"), config_map("new"), *refused(**{"gitops.dev/wave": "1"})]
        )
        self._quietly(lambda: self.world.sync_killed_after(after))
        result = self.world.sync()
        assert result.outcome in (Outcome.ROLLED_BACK, Outcome.HELD, Outcome.FAILED), result.message
        if result.outcome is not Outcome.FAILED:
            assert self._live() == before
        self._commit()

    def _is_synced(self):
        inventory = self.world.inventory() if self.world.get("ConfigMap", "gitops-app") else None
        plan = self.world.plan(confirm=True).plan
        return bool(inventory and inventory.healthy and inventory.healthy.digest == plan.digest and not plan.changes)

    def _live(self):
        path = f"/api/v1/namespaces/{self.world.namespace}/configmaps"
        items = self.world.request("GET", path)["items"]
        return {
            item["metadata"]["name"]: item.get("data") for item in items if item["metadata"]["name"] != "gitops-app"
        }

    @rule()
    def quiet_sync(self):
        result = self.world.sync(wait=False, confirm=True)
        assert result.outcome in (Outcome.SYNCED, Outcome.IN_SYNC), result.message
        self._check()

    def _check(self):
        assert self.world.plan(confirm=True).plan.changes == ()
        path = f"/api/v1/namespaces/{self.world.namespace}/configmaps"
        live = {item["metadata"]["name"]: item.get("data") or {} for item in self.world.request("GET", path)["items"]}
        ours = {name for name in live if name not in ("gitops-app", "kube-root-ca.crt", "always")}
        kept = {name for name in self.theirs if name in live and name not in self.desired}
        assert ours - kept == set(self.desired), "nothing is missing, nothing is orphaned"
        for name, data in self.desired.items():
            assert {key: live[name].get(key) for key in data} == data
            if name in self.theirs:
                assert live[name]["theirs"] == self.theirs[name]
        for name in list(self.theirs):
            if name not in live:
                del self.theirs[name]
        assert bool(self.world.get("Deployment", "web", "apps")) == bool(self.replicas)
        self.world.check_audit()

    @invariant()
    def inventory_covers_what_carries_our_marks(self):
        if not hasattr(self, "world") or self.world.get("ConfigMap", "gitops-app") is None:
            return
        path = f"/api/v1/namespaces/{self.world.namespace}/configmaps"
        items = self.world.request("GET", path, labelSelector="applyset.kubernetes.io/part-of")["items"]
        owned = {key.name for key in self.world.inventory().keys}
        assert {item["metadata"]["name"] for item in items} <= owned

    def _quietly(self, act):
        try:
            act()
        except GitopsError:
            pass  # a hand edit of what is not there, or a sync that the faults stopped: the story goes on

    def teardown(self):
        if hasattr(self, "folder"):
            self.folder.cleanup()


def _run(fresh_sandbox, histories, steps):
    AnyHistory.sandbox = fresh_sandbox(controllers="none")
    if chosen := os.environ.get("HISTORIES_SEED"):
        seed(int(chosen))(AnyHistory)
    run_state_machine_as_test(
        AnyHistory,
        settings=settings(
            max_examples=histories,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            derandomize=histories < 20,
        ),
    )


@pytest.mark.slow
def test_some_histories_end_right(fresh_sandbox):
    _run(fresh_sandbox, histories=4, steps=12)


@only_at_leisure
@pytest.mark.timeout(7200)
def test_a_thousand_histories_end_right(fresh_sandbox):
    _run(fresh_sandbox, histories=examples(1000), steps=25)
