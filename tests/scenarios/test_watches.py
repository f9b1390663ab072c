"""Stories of what the controller watches: nothing that is ours may be changed or taken away unseen."""

import pytest

from tests.scenarios.running import Running
from tests.scenarios.world import config_map, custom_kind

SCHEMA = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


class Widgets:
    """An Application that brings the definition of a kind of its own, and one object of it."""

    def __init__(self, world):
        self._world = world
        self.group, self.definition = custom_kind(world, "Widget", SCHEMA)
        self._plural = self.definition["spec"]["names"]["plural"]
        self.object = {
            "apiVersion": f"{self.group}/v1",
            "kind": "Widget",
            "metadata": {"name": "w"},
            "spec": {"size": 1},
        }

    def edit(self):
        self._world.edit(f"{self.group}/{self._plural}/w", {"spec": {"size": 2}})

    def uid(self):
        live = self._world.get("Widget", "w", self.group)
        return live and live["metadata"]["uid"]

    def is_right(self):
        live = self._world.get("Widget", "w", self.group)
        return live is not None and live["spec"]["size"] == 1

    def forget_definition(self):
        path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/"
        self._world.request("DELETE", path + self.definition["metadata"]["name"])


@pytest.fixture
def widgets(world):
    return Widgets(world)


def test_an_object_of_a_kind_that_the_application_brings_is_watched_from_its_first_sync(world, widgets):
    sha = world.commit(kind=widgets.definition, widget=widgets.object)
    with Running(world) as running:
        running.until_synced(sha)
        widgets.edit()
        running.until(widgets.is_right, 5)


def test_a_kind_that_was_deleted_and_comes_back_is_watched_again(world, widgets):
    sha = world.commit(kind=widgets.definition, widget=widgets.object)
    with Running(world) as running:
        running.until_synced(sha)
        widgets.edit()
        running.until(widgets.is_right, 5)
        first = widgets.uid()
        widgets.forget_definition()
        running.until(lambda: widgets.uid() not in (None, first) and running.tracked().schedule.task is None, 30)
        widgets.edit()
        running.until(widgets.is_right, 5)


@pytest.mark.parametrize(
    "metadata",
    [
        {"labels": {"applyset.kubernetes.io/part-of": None}},
        {"labels": {"applyset.kubernetes.io/part-of": "applyset-another-v1"}},
        {"annotations": {"gitops.dev/tracking": None}},
    ],
    ids=["set taken off", "set changed", "tracking taken off"],
)
def test_what_marks_an_object_as_ours_is_put_back_and_later_edits_are_undone(world, metadata):
    def look():
        live = world.get("ConfigMap", "settings")
        return live["data"], live["metadata"].get("labels"), live["metadata"].get("annotations")

    sha = world.commit(settings=config_map("settings"), other=config_map("other"))
    with Running(world) as running:
        running.until_synced(sha)
        before = look()
        world.edit("core/configmaps/settings", {"metadata": metadata})
        running.until(lambda: look() == before, 5)
        world.edit("core/configmaps/settings", {"data": {"a": "by hand"}})
        running.until(lambda: look() == before, 5)
