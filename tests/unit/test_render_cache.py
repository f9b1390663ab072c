"""What was rendered already: used again only where all that a render read has the same answer, by whoever asks."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from gitops.controller import render_cache
from gitops.controller.render_cache import RenderCache
from gitops.manifests.key import key_of
from gitops.manifests.manifest import Manifest, Origin
from gitops.model.application import Application, Destination, SourceSpec
from gitops.model.errors import RenderError
from gitops.model.revision import Tree
from renderers.result import Live, Look, Needs, Rendered
from tests.unit.desk import config_map

APP = Application("app", source=SourceSpec(repoURL="https://git"), destination=Destination(namespace="shop"))
LOOK = Look("v1", "ConfigMap", "shop", "seen")


def rendered(text: str) -> Rendered:
    body = config_map("a", x=text)
    return Rendered("plain", (Manifest(key_of(body), body, Origin("all.yaml", 1)),))


class Renderer:
    """Renders what is in the file `all`; `broken` is why it cannot."""

    def __init__(self, most: int = 10_000) -> None:
        self.texts: list[str] = []
        self.broken = ""
        self.may_end, self.has_begun = threading.Event(), threading.Event()
        self.may_end.set()
        self.cache = RenderCache(self, most)

    def __call__(self, tree: Tree, app: Application, *, live: Live) -> Rendered | Needs:
        text, broken = tree.read("all").decode(), self.broken
        self.texts.append(text)
        if text == "slow" and not self.has_begun.is_set():
            self.has_begun.set()
            assert self.may_end.wait(30)
        if broken:
            raise RenderError(broken)
        return rendered(text)

    def of(self, text: str = "1", app: Application = APP, live: Live = Live(), **others: str) -> Rendered | Needs:  # noqa: B008
        return self.cache(Tree.of_files({"all": text, **others}), app, live=live)


@pytest.fixture
def renderer() -> Renderer:
    return Renderer()


def test_what_was_rendered_is_rendered_again_only_when_a_file_that_was_read_is_another(renderer: Renderer) -> None:
    first = renderer.of("1")
    assert renderer.of("1") is first
    assert renderer.of("1", other="new") is first
    assert renderer.of("2") == rendered("2")
    assert (renderer.texts, renderer.cache.hits, renderer.cache.misses) == (["1", "2"], 2, 2)


@pytest.mark.parametrize(
    "other",
    [
        replace(APP, source=replace(APP.source, path="below")),
        replace(APP, destination=Destination(namespace="other")),
    ],
)
def test_another_source_or_namespace_is_rendered_anew_and_another_interval_is_not(
    renderer: Renderer, other: Application
) -> None:
    renderer.of("1")
    renderer.of("1", replace(APP, interval=7.0))
    assert renderer.texts == ["1"]
    renderer.of("1", other)
    assert renderer.texts == ["1", "1"]


def test_each_application_has_its_own(renderer: Renderer) -> None:
    other = replace(APP, name="other")
    for app in (APP, other, APP, other):
        renderer.of("1", app)
    assert renderer.texts == ["1", "1"]


def test_what_was_read_of_the_cluster_is_asked_for_before_it_is_said_that_nothing_changed(renderer: Renderer) -> None:
    assert not renderer.cache.reads_cluster(APP.identity)
    known = Live({LOOK: {"a": 1}}, b"seed", "2026-01-01T00:00:00Z")
    first = renderer.of("1", live=known)
    assert renderer.cache.reads_cluster(APP.identity)
    assert renderer.of("1") == Needs((), (LOOK,), seed=True, time=True)
    assert renderer.of("1", live=Live(known.objects)) == Needs((), (), seed=True, time=True)
    assert renderer.of("1", live=known._replace(seed=b"")) == Needs((), (), seed=True)
    assert renderer.of("1", live=known._replace(at="")) == Needs((), (), time=True)
    assert renderer.of("1", live=known) is first
    assert renderer.texts == ["1"]
    renderer.of("1", live=known._replace(objects={LOOK: {"a": 2}}))
    assert renderer.texts == ["1", "1"]


def test_what_reads_nothing_of_the_cluster_is_not_told_to(renderer: Renderer) -> None:
    renderer.of("1")
    assert not renderer.cache.reads_cluster(APP.identity)


def test_what_is_forgotten_is_rendered_anew(renderer: Renderer) -> None:
    renderer.of("1")
    renderer.cache.forget(APP.identity)
    renderer.cache.forget("gitops/none")
    renderer.of("1")
    assert renderer.texts == ["1", "1"]


def test_the_oldest_is_forgotten_where_all_of_them_are_too_large() -> None:
    renderer = Renderer(most=2 * len('{"x": ""}') + 2 * 300)
    apps = [replace(APP, name=name) for name in "abc"]
    for app in apps:
        renderer.of("y" * 200, app)
    renderer.of("y" * 200, apps[2])
    assert len(renderer.texts) == 3
    renderer.of("y" * 200, apps[0])
    assert len(renderer.texts) == 4
    renderer.cache.forget(apps[2].identity)
    renderer.cache.forget(apps[1].identity)
    renderer.of("y" * 200, apps[1])
    renderer.of("y" * 200, apps[0])
    assert len(renderer.texts) == 5, "what was forgotten takes no room any more"


def test_the_newest_commit_takes_the_room_of_the_one_before() -> None:
    renderer, other = Renderer(most=800), replace(APP, name="other")
    renderer.of("other", other)
    for number in range(20):
        renderer.of(f"{number} {'y' * 100}")
    renderer.of("other", other)
    assert len(renderer.texts) == 21


def test_what_was_read_of_the_cluster_takes_room_too() -> None:
    renderer, other = Renderer(most=800), replace(APP, name="other")
    renderer.of("other", other)
    renderer.of("1", live=Live({LOOK: {"data": "y" * 800}}))
    renderer.of("other", other)
    assert renderer.texts == ["other", "1", "other"]


def test_one_that_is_larger_than_all_may_be_is_remembered_all_the_same() -> None:
    renderer = Renderer(most=1)
    for _ in range(2):
        renderer.of("1")
    assert renderer.texts == ["1"]


def test_what_holds_another_repositorys_files_is_rendered_again_after_a_while(monkeypatch: Any) -> None:
    renderer, tree = Renderer(), Tree.of_files({"all": "1"})
    tree.names_others = True
    for _ in range(2):
        renderer.cache(tree, APP, live=Live())
    assert renderer.texts == ["1"]
    monkeypatch.setattr(render_cache, "_OTHERS_SECONDS", -1.0)
    renderer.cache.forget(APP.identity)
    for _ in range(2):
        renderer.cache(tree, APP, live=Live())
    assert renderer.texts == ["1"] * 3


# ── while a render is under way ──────────────────────────────────────────────────────────────────────────────────────


class Asked(Tree):
    """Tells when it was held against the tree of the render that is under way."""

    was_asked: threading.Event

    def is_of_same_files(self, other: Tree) -> bool:
        self.was_asked.set()
        return super().is_of_same_files(other)


def asked(tree: Tree) -> Asked:
    found = Asked(tree.files)
    found.was_asked = threading.Event()
    return found


@contextmanager
def slow(renderer: Renderer) -> Iterator[tuple[ThreadPoolExecutor, Tree, Any]]:
    """Threads, and the tree of a render that one of them is at, with what it will come to."""
    tree = Tree.of_files({"all": "slow"})
    renderer.may_end.clear()
    with ThreadPoolExecutor() as threads:
        first = threads.submit(renderer.cache, tree, APP, live=Live())
        try:
            assert renderer.has_begun.wait(30)
            yield threads, tree, first
        finally:
            renderer.may_end.set()


def test_who_wants_what_is_being_rendered_waits_for_it(renderer: Renderer) -> None:
    with slow(renderer) as (threads, tree, first):
        view = asked(tree)
        second = threads.submit(renderer.cache, view, APP, live=Live())
        assert view.was_asked.wait(30)
        renderer.may_end.set()
        assert second.result(30) is first.result(30)
    assert renderer.texts == ["slow"]


@pytest.mark.parametrize(
    ("is_same_commit", "app", "live"),
    [
        (False, APP, Live()),
        (True, replace(APP, destination=Destination(namespace="other")), Live()),
        (True, APP, Live(seed=b"another")),
    ],
)
def test_what_is_another_render_does_not_wait_for_one_that_is_under_way_and_shares_no_fault_of_it(
    renderer: Renderer, is_same_commit: bool, app: Application, live: Live
) -> None:
    renderer.broken = "it is broken"
    with slow(renderer) as (threads, tree, first):
        renderer.broken = ""
        files = tree.fresh() if is_same_commit else Tree.of_files({"all": "slow"})
        other = threads.submit(renderer.cache, files, app, live=live)
        assert other.result(10) == rendered("slow")
        renderer.may_end.set()
        with pytest.raises(RenderError, match="it is broken"):
            first.result(10)
    assert renderer.texts == ["slow", "slow"]


def test_a_fault_is_told_to_all_who_waited_and_is_not_remembered(renderer: Renderer) -> None:
    renderer.broken = "it is broken"
    with slow(renderer) as (threads, tree, first):
        view = asked(tree)
        second = threads.submit(renderer.cache, view, APP, live=Live())
        assert view.was_asked.wait(30)
        renderer.may_end.set()
        for one in (first, second):
            with pytest.raises(RenderError, match="it is broken"):
                one.result(30)
    renderer.broken = ""
    assert renderer.cache(tree.fresh(), APP, live=Live()) == rendered("slow")
