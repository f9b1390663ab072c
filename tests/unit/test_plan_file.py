"""A saved plan: carried out as long as nothing that it touches has moved, and refused with what has."""

import json
from dataclasses import replace

import pytest

from gitops.engine.plan_input import PlanOptions
from gitops.manifests.key import key_of
from gitops.model.errors import ConfigError
from gitops.model.result import Go
from gitops.sync.context import PlannedSync
from gitops.sync.plan_file import moved_since, plan_facts
from tests.unit.test_plan import INVENTORY, SOURCE, answered, config, situation, stored

OLD = stored(config("old"), INVENTORY)


def planned(*desired, live=(OLD,)):
    at = situation(desired, live, [key_of(OLD)], PlanOptions(prune=True))
    return PlannedSync(at, answered(at), Go(), SOURCE)


def saved(of):
    return json.loads(json.dumps(plan_facts(of)))


def test_a_plan_that_creates_and_prunes_fits_as_long_as_nothing_moved():
    assert moved_since(saved(planned(config("new"))), planned(config("new"))) == []


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret"])
def test_another_desired_body_under_the_same_revision_is_noticed(kind):
    before, after = ({**config("new", {"a": value}), "kind": kind} for value in ("MQ==", "Mg=="))
    told = f"{kind} shop/new has changed, in the source or in the cluster"
    assert moved_since(saved(planned(before)), planned(after)) == [told]


def test_another_live_body_of_what_is_pruned_is_noticed():
    edited = {**OLD, "data": {"a": "edited"}}
    told = "ConfigMap shop/old has changed, in the source or in the cluster"
    assert moved_since(saved(planned()), planned(live=(edited,))) == [told]


def test_what_came_and_what_left_the_plan_is_named():
    assert moved_since(saved(planned(config("a"))), planned(config("b"))) == [
        "ConfigMap shop/a would no longer be changed",
        "ConfigMap shop/b would now be changed too",
    ]


@pytest.mark.parametrize("damage", [{"salt": 1}, {"version": 2}, {"objects": []}, {"application": "team/other"}])
def test_what_is_no_plan_of_this_application_is_refused(damage):
    with pytest.raises(ConfigError):
        moved_since({**saved(planned()), **damage}, planned())


def test_another_commit_is_told():
    before = planned()
    after = replace(before, plan=replace(before.plan, revision=before.plan.revision._replace(sha="b" * 40)))
    assert moved_since(saved(before), after) == [f"the source is at {'b' * 12}, not at {'a' * 12}"]
