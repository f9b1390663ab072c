"""Applications that a repository brings: those of the set that was synced last, with no more rights than its own."""

from dataclasses import replace

import pytest

from gitops.config import application_of
from gitops.engine.states import Response
from gitops.manifests.yaml_write import write_manifests
from gitops.model.operator_command import SYNC
from tests.unit.controlled import Controlled
from tests.unit.desk import config_map

A, B = config_map("a", x="1"), config_map("b", x="1")
URL = "https://git.example.com/shop.git"


def child(name, path="child", namespace="gitops", url=URL, **spec):
    source = {"repoURL": url, "path": path}
    whole = {"source": source, "destination": {"namespace": "shop"}, "interval": "200ms", **spec}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "gitops.dev/v1alpha1", "kind": "Application", "metadata": metadata, "spec": whole}


class Family(Controlled):
    """A controller whose Application holds others, below `apps`; the objects of those are below `child`."""

    def __init__(self, folder):
        super().__init__(folder, automated=True)
        self.app = self.app.with_sources((self.at("apps"),))

    def at(self, path):
        return replace(self.app.source, path=path)

    def brings(self, *applications, beside=(A,), below=(B,)):
        """A commit in which the parent has these Applications."""
        files = {"apps/all.yaml": write_manifests([*beside, *applications])} if (*beside, *applications) else {}
        self.source.commit({**files, "child/all.yaml": write_manifests(below)})
        if self.task is not None:
            self.wait(self._looked_at())

    def begin(self):
        super().begin()
        self.controller.children.read = application_of
        self.wait(self._looked_at())

    def known(self):
        return {state.identity.partition("/")[2] for state in self.controller.index}

    def entry(self, name):
        return self.controller.registry.entry(f"gitops/{name}")

    def parent(self):
        return self.controller.index.get(self.app.identity)


@pytest.fixture
def family(tmp_path):
    """A parent with one child, which is synced too."""
    made = Family(tmp_path)
    made.brings(child("one", sync={"automated": True}))
    made.begin()
    made.until(lambda: made.live(B) is not None)
    yield made
    made.end()


def test_what_a_repository_brings_is_run_as_its_own_application(family):
    assert family.known() == {"app", "one"}
    assert family.entry("one").parent == "gitops/app"
    assert family.live(A) is not None
    children = family.controller.children
    assert (children.root_of("gitops/one"), children.root_of("gitops/app")) == ("gitops/app", "gitops/app")
    assert children.are_known("gitops/one")


def test_what_a_repository_has_no_more_is_known_no_more_and_what_it_had_stays(family):
    family.brings(child("two", "other"))
    family.until(lambda: family.known() == {"app", "two"})
    assert family.live(B) is not None


def test_one_that_changes_is_changed(family):
    family.brings(child("one", sync={"automated": True, "prune": True}))
    family.until(lambda: family.entry("one").app.sync.prune)


def test_a_set_without_anything_does_not_let_all_go(tmp_path):
    made = Family(tmp_path)
    made.brings(child("one"), beside=())
    made.begin()
    made.until(lambda: made.known() == {"app", "one"})
    made.source.commit({"apps/kustomization.yaml": "resources: []\n", "child/all.yaml": write_manifests([B])})
    made.wait(made._looked_at())
    said = "the source renders to nothing at all while it holds Applications; confirm with --confirm"
    made.until(lambda: made.parent().last.message == said)
    made.let_pass(3)
    assert made.known() == {"app", "one"}
    made.ask(SYNC, confirm=True)
    made.until(lambda: made.known() == {"app"})
    made.end()


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (child("two", namespace="blue"), "Application blue/two: has to be in namespace gitops, as its parent"),
        (child("two", interval="never"), "interval"),
    ],
)
def test_one_that_cannot_be_taken_in_holds_its_parent_and_nothing_changes(family, wrong, said):
    family.brings(child("one"), wrong, beside=(config_map("a", x="2"),))
    family.until(lambda: said in str(family.parent().last) + str(family.controller.snapshot(family.parent()).problem))
    family.let_pass(3)
    assert family.known() == {"app", "one"}
    assert family.live(A)["data"] == {"x": "1"}, "nothing else of that commit is synced either"


def test_what_a_parent_brings_has_its_rights_for_its_own_repository_alone(family):
    family.brings(child("one"), child("far", url="https://git.example.com/other.git"))
    family.until(lambda: "far" in family.known())
    assert (family.entry("one").trusted, family.entry("far").trusted) == (True, False)


def test_a_parent_does_not_change_itself(family):
    family.brings(child("app", "elsewhere"), child("one"))
    family.until(lambda: family.parent().last.response is Response.SETTLED)
    family.let_pass(3)
    assert family.entry("app").app.source.path == "apps"
    assert family.entry("app").parent == ""


def test_with_a_parent_that_is_no_more_goes_what_it_brought(family):
    async def dropped():
        family.controller.registry.drop("test", family.app.identity)

    family.wait(dropped())
    family.until(lambda: family.known() == set())
    assert family.live(B) is not None


def test_what_a_parent_of_another_replica_brought_is_not_run_until_it_is_known_again(family):
    children = family.controller.children
    children.let_go("gitops/app")
    assert not children.are_known("gitops/one")
    assert children.are_known("gitops/app")
    family.brings(child("one", sync={"automated": True}), beside=(config_map("a", x="2"),))
    family.until(lambda: children.are_known("gitops/one"))


def test_what_a_parent_brought_is_known_by_what_was_synced_though_its_newest_commit_cannot_be_rendered(family):
    family.controller.children.let_go("gitops/app")
    assert not family.controller.children.are_known("gitops/one")
    family.source.commit({"apps/all.yaml": "kind: [broken", "child/all.yaml": write_manifests([B])})
    family.wait(family._looked_at())
    family.until(lambda: family.parent().problem)
    family.until(lambda: family.controller.children.are_known("gitops/one"))
    assert family.known() == {"app", "one"}
