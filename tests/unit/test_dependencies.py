"""Who depends on another Application waits until that one has been synced to the commit that both read."""

from dataclasses import replace

import pytest

from gitops.controller.dependencies import behind
from gitops.controller.state import ApplicationIndex, SourceState
from gitops.engine.states import Response
from gitops.model.application import Application, SourceSpec, SyncOptions
from gitops.model.revision import Revision

NEW, OLD = "b" * 40, "a" * 40
URL = "https://git.example.com/shop.git"
SYNCED = SourceState(Revision(NEW, "main"), rendered=NEW, answered=NEW, equivalent_revision=NEW)
LATE = SourceState(Revision(NEW, "main"), rendered=OLD, answered=OLD, equivalent_revision=OLD)


class Pair:
    """`web`, which depends on `database`, at the newest commit; `database` is as it is said to be."""

    def __init__(self, url=URL, revision="main", automated=True, **web):
        self.index = ApplicationIndex()
        other = Application("database", "apps", source=SourceSpec(url, targetRevision=revision))
        self.database = self.index.add(replace(other, sync=SyncOptions(automated=automated)))
        own = Application("web", "apps", source=SourceSpec(URL, targetRevision="main"), dependsOn=("database",), **web)
        self.web = self.index.add(own)
        self.web.source = SYNCED
        self.stands(LATE)

    def stands(self, source, response=Response.SETTLED):
        self.database.source = source
        self.database.report.result = replace(self.database.report.result, response=response)

    @property
    def said(self):
        return behind(self.index, self.web)


def test_it_waits_until_the_other_has_come_to_the_commit_that_both_are_at():
    pair = Pair()
    assert pair.said == f"apps/web depends on apps/database: it has not been synced to {NEW[:12]} yet"
    pair.stands(SYNCED)
    assert pair.said == ""


@pytest.mark.parametrize("response", [None, Response.SYNC, Response.HELD])
def test_a_commit_that_the_other_is_still_on_its_way_to_is_waited_for(response):
    pair = Pair()
    pair.stands(SYNCED, response)
    assert pair.said != ""


def test_a_commit_that_the_other_has_planned_and_done_nothing_about_is_waited_for():
    pair = Pair()
    pair.stands(replace(SYNCED, answered=OLD))
    assert pair.said != ""


@pytest.mark.parametrize(
    "other", [{"url": "https://git.example.com/other.git"}, {"revision": "release"}, {"automated": False}]
)
def test_one_that_never_comes_to_that_commit_is_not_waited_for(other):
    assert Pair(**other).said == ""


def test_an_expression_that_calls_the_other_ready_is_all_that_is_waited_for():
    assert Pair(readyExpr={"database": "true"}).said == ""


def test_before_a_commit_is_seen_and_without_the_other_nobody_waits():
    pair = Pair()
    pair.web.source = SourceState()
    assert pair.said == ""
    pair.web.source = SYNCED
    pair.index.remove("apps/database")
    assert pair.said == ""


@pytest.mark.parametrize(
    ("source", "response", "sync"),
    [
        (SYNCED, Response.SETTLED, "Synced"),
        (SYNCED, Response.HELD, "OutOfSync"),
        (SYNCED, None, "Unknown"),
        (LATE, Response.SETTLED, "Unknown"),
        (replace(SYNCED, look_error="the repository is away"), Response.SETTLED, "Unknown"),
    ],
)
def test_an_application_is_synced_when_nothing_is_left_to_do_for_the_newest_commit(source, response, sync):
    pair = Pair()
    pair.stands(source, response)
    assert pair.database.sync == sync
