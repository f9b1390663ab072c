"""What a process of its own renders is what would be rendered here, and what it wastes is nobody else's."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from gitops.adapters import render_workers
from gitops.adapters.render_workers import RenderWorkers
from gitops.model.application import PlainOptions, SourceSpec, TemplateOptions
from gitops.model.errors import GitopsError, HostUnreachableError, RenderError
from gitops.model.revision import Entry, Node, Tree
from renderers.registry import render
from renderers.result import Context, Needs, Remote
from tests.hostile.repositories import doubling

SAMPLE = Path(__file__).parents[2] / "sample-repo"
MAP = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {big: '123456789012345678901234567890', x: é}\n"


@pytest.fixture
def workers():
    running = RenderWorkers()
    yield running
    running.close()


def sample(**more):
    files = {str(file.relative_to(SAMPLE)): file.read_bytes() for file in SAMPLE.rglob("*") if file.is_file()}
    return Tree.of_files({**files, **more})


def outcome(by, tree, spec, context):
    """Everything that a render leaves: what it answers or raises, and what the tree remembers of it."""
    try:
        answer = by(tree, spec, context)
    except GitopsError as error:
        return type(error), str(error)
    return answer, dict(tree.reads), tree.follows_links


@pytest.mark.parametrize(
    ("files", "spec"),
    [
        *(({}, SourceSpec(path=path)) for path in ("apps/shop", "apps", "absent", "README.md")),
        ({"a.yaml": MAP, "b.yaml": MAP}, SourceSpec(plain=PlainOptions(exclude="b.yaml"))),
        ({"a.yaml": "a: [\n"}, SourceSpec()),
        ({"a.yaml": "data: {a: 1}\n"}, SourceSpec()),
        ({"a.yaml": MAP + "n: 123456789012345678901234567890\nf: 1.0\nz: -0.0\n"}, SourceSpec()),
        ({"n/a.yaml.j2": MAP.replace("é", "{{ x }}")}, SourceSpec(path="n", template=TemplateOptions({"x": 1}))),
        ({"n/a.yaml.j2": MAP.replace("é", "{{ x }}")}, SourceSpec(path="n")),
        ({"k/kustomization.yaml": "resources: [../up/a.yaml]\n", "up/a.yaml": MAP}, SourceSpec(path="k")),
        ({"k/kustomization.yaml": "resources: [https://git.example.com/a.git?ref=v1]\n"}, SourceSpec(path="k")),
        ({"Chart.yaml": "name: a\n"}, SourceSpec()),
    ],
)
def test_it_gives_and_reads_what_a_render_here_does(workers, files, spec):
    context = Context("shop", "shop")
    trees = [sample() if not files else Tree.of_files(files) for _ in range(2)]
    here, there = outcome(render, trees[0], spec, context), outcome(workers.render, trees[1], spec, context)
    assert there == here


def test_links_are_followed_and_refused_as_here(workers):
    links = {"k/in.yaml": "../up/a.yaml", "bad/out.yaml": "../../etc/passwd"}
    files = {"up/a.yaml": MAP, "k/b.yaml": MAP.replace("name: a", "name: b")}
    for path in ("k", "bad"):
        trees = [Tree.of_files(files, links) for _ in range(2)]
        spec = SourceSpec(path=path)
        assert outcome(workers.render, trees[0], spec, Context()) == outcome(render, trees[1], spec, Context())


def test_bases_of_other_repositories_are_asked_for_and_used(workers):
    tree = Tree.of_files({"kustomization.yaml": "resources: [https://git.example.com/a.git?ref=v1]\n"})
    asked = workers.render(tree, SourceSpec(), Context())
    assert isinstance(asked, Needs)
    assert asked.remotes == (Remote("https://git.example.com/a.git", "v1"),)
    base = Tree.of_files({"kustomization.yaml": "resources: [a.yaml]\n", "a.yaml": MAP})
    answer = workers.render(tree, SourceSpec(), Context(remotes={asked.remotes[0]: base}))
    assert [item.key.name for item in answer.manifests] == ["a"]


def test_a_build_that_doubles_is_ended_in_time_and_the_next_render_works():
    tree = Tree.of_files({**doubling(30), "good/a.yaml": MAP})
    short = RenderWorkers(seconds=0.5)
    with pytest.raises(RenderError, match="30: rendering it takes too long"):
        short.render(tree, SourceSpec(path="30"), Context())
    short._seconds = 30.0  # a busy machine takes its time to start the next process
    assert short.render(tree, SourceSpec(path="good"), Context()).manifests
    short.close()


@pytest.mark.parametrize(
    ("limit", "told"),
    [({"each": 100_000_000}, "more than 95 MiB of memory"), ({"total": 40_000_000, "fair": 0}, "too much memory")],
)
def test_what_needs_too_much_memory_says_so(limit, told):
    many = MAP + "list: [" + "{}," * 300_000 + "{}]\n"
    small = RenderWorkers(**limit)
    with pytest.raises(RenderError, match=told):
        small.render(Tree.of_files({f"{number}.yaml": many for number in range(9)}), SourceSpec(), Context())
    assert small.render(Tree.of_files({"a.yaml": MAP}), SourceSpec(), Context()).manifests
    small.close()


def test_what_renders_to_too_much_is_not_taken_in(workers, monkeypatch):
    monkeypatch.setattr(render_workers, "ANSWER_BYTES", 10_000)
    many = "\n---\n".join(MAP.replace("name: a", f"name: a{number}") for number in range(200))
    with pytest.raises(RenderError, match="renders to more than"):
        workers.render(Tree.of_files({"a.yaml": many}), SourceSpec(), Context())
    assert workers.render(Tree.of_files({"a.yaml": MAP}), SourceSpec(), Context()).manifests


def test_an_idle_process_that_was_killed_is_replaced(workers):
    tree = Tree.of_files({"a.yaml": MAP})
    workers.render(tree, SourceSpec(), Context())
    (idle,) = workers._idle
    os.kill(idle._process.pid, signal.SIGKILL)
    idle._process.wait()
    assert workers.render(tree, SourceSpec(), Context()).manifests


class Together:
    """Files of which none is given before all renders of a set have asked for one."""

    def __init__(self, barrier):
        self._files, self._barrier = Tree.of_files({"a.yaml": MAP}).files, barrier

    def node(self, path):
        return self._files.node(path)

    def entries(self, path):
        return self._files.entries(path)

    def read(self, path, node):
        self._barrier.wait(30)
        return self._files.read(path, node)


def at_once(workers, count):
    """Have `count` renders at the same time; the processes that wait for work after them."""
    barrier = threading.Barrier(count)

    def build():
        workers.render(Tree(Together(barrier)), SourceSpec(), Context())

    threads = [threading.Thread(target=build) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {worker._process.pid for worker in workers._idle}


def test_as_many_renders_at_once_as_before_take_the_processes_of_before(workers):
    before = at_once(workers, 5)
    assert len(before) == 5
    assert at_once(workers, 5) == before


def test_processes_that_nobody_takes_for_a_while_are_ended_but_for_two():
    workers = RenderWorkers(idle=0.2)
    try:
        at_once(workers, 4)
        deadline = time.monotonic() + 30
        while len(workers._idle) > 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        assert len(workers._idle) == 2
    finally:
        workers.close()


def test_of_many_idle_processes_those_with_much_memory_are_not_kept():
    workers = RenderWorkers(fair=0)
    try:
        assert len(at_once(workers, 4)) == 2
    finally:
        workers.close()


def test_closing_ends_a_render_that_is_under_way():
    workers, raised = RenderWorkers(), []

    def build():
        try:
            workers.render(Tree.of_files(doubling(30)), SourceSpec(path="30"), Context())
        except RenderError as error:
            raised.append(error)

    thread = threading.Thread(target=build)
    thread.start()
    while not workers._busy:
        time.sleep(0.01)
    (busy,) = workers._busy
    workers.close()
    thread.join(5)
    assert raised
    assert not busy.is_there


def test_a_render_that_comes_after_the_end_leaves_no_process_behind(workers):
    workers.close()
    assert workers.render(Tree.of_files({"a.yaml": MAP}), SourceSpec(), Context()).manifests
    assert (workers._idle, workers._busy) == ([], set())


class _Gone:
    """Files whose host does not answer any more."""

    def node(self, path: str) -> Node | None:
        return {"": Node("directory"), "a.yaml": Node("file")}.get(path)

    def entries(self, path: str) -> list[Entry]:
        return [Entry("a.yaml", "file")]

    def read(self, path: str, node: Node) -> tuple[bytes, str]:
        raise HostUnreachableError("git.example.com does not answer")


def test_a_host_that_is_away_is_told_as_such(workers):
    with pytest.raises(HostUnreachableError, match="does not answer"):
        workers.render(Tree(_Gone()), SourceSpec(), Context())


class _Odd(_Gone):
    """Files that break their contract, which a renderer cannot know."""

    def read(self, path: str, node: Node) -> tuple[bytes, str]:
        return None, "id"  # type: ignore[return-value]


def test_a_fault_of_a_renderer_is_told_with_its_place_and_the_next_render_works(workers):
    with pytest.raises(RuntimeError, match=r"a renderer has a fault:\n(?s:.)*renderers/"):
        workers.render(Tree(_Odd()), SourceSpec(), Context())
    assert workers.render(Tree.of_files({"a.yaml": MAP}), SourceSpec(), Context()).manifests


def test_a_long_render_is_in_less_of_a_hurry_than_all_the_rest(monkeypatch):
    monkeypatch.setattr(render_workers, "_LONG_SECONDS", 0.1)
    workers, tree = RenderWorkers(), Tree.of_files(doubling(30))
    thread = threading.Thread(target=outcome, args=(workers.render, tree, SourceSpec(path="30"), Context()))
    thread.start()
    try:
        until = time.monotonic() + 20
        while not any(os.getpriority(os.PRIO_PROCESS, busy._process.pid) > 0 for busy in [*workers._busy]):
            assert time.monotonic() < until
            time.sleep(0.01)
    finally:
        workers.close()
        thread.join(5)


def test_no_secret_of_ours_is_in_its_environment(workers, monkeypatch):
    monkeypatch.setenv("GITOPS_SECRET_TOKEN", "hidden")
    workers.render(Tree.of_files({"a.yaml": MAP}), SourceSpec(), Context())
    (idle,) = workers._idle
    environment = Path(f"/proc/{idle._process.pid}/environ").read_bytes()
    assert environment.rstrip(b"\0").split(b"\0") == [b"LC_ALL=C.UTF-8"]
