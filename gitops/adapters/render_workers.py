"""Renders by processes of their own (`renderers.worker`), so that what a repository holds can harm nobody else.

A render takes an idle process or a new one, and answers its questions for files from the tree it is given. One that
takes too long is killed; one that needs too much memory says so, and when all together need too much, the largest is
killed: a kernel that is left to choose may end the whole container. How many run at a time is up to who calls.
"""

import base64
import contextlib
import json
import os
import pickle
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from gitops.adapters.known_files import known_files
from gitops.manifests.errors import GitopsError, ManifestError
from gitops.manifests.key import ResourceKey
from gitops.manifests.manifest import Manifest, Origin
from gitops.model.application import SourceSpec
from gitops.model.errors import ConfigError, RenderError, SourceError
from gitops.model.revision import Node, Tree
from renderers.result import Context, Decrypt, Encrypted, Look, Needs, Remote, Rendered
from renderers.worker import ANSWER_BYTES, Job, Refused

SECONDS: Final = 30.0
MEMORY_BYTES: Final = 512 * 1024 * 1024
# Whoever needs no more than this is not why all together need too much.
FAIR_BYTES: Final = 64 * 1024 * 1024

_CHECK_SECONDS: Final = 0.2
# What takes longer than this is in less of a hurry than all the rest.
_LONG_SECONDS, _NICE = 2.0, 10
# So many processes wait for work for ever; others, of a time when much was rendered at once, for a while. To start one
# takes longer than most renders.
_MOST_IDLE: Final = 2
_IDLE_SECONDS: Final = 10.0
# What a worker asks for: files of these trees, and what opens what is encrypted in them.
_Given = tuple[tuple[Tree, ...], Decrypt | None]
_ERRORS: Final = {error.__name__: error for error in (ConfigError, ManifestError, RenderError, SourceError)}


class RenderWorkers:
    """Processes that render, used by threads.

    `seconds` is how long one render may take, `each` how many bytes of memory (addresses), and `total` how many of
    their own all together may have: beyond that the largest is ended, unless it has no more than is `fair`. After
    `idle` seconds without work all but two are ended.
    """

    def __init__(
        self,
        seconds: float = SECONDS,
        each: int = MEMORY_BYTES,
        total: int = MEMORY_BYTES,
        fair: int = FAIR_BYTES,
        idle: float = _IDLE_SECONDS,
    ) -> None:
        self._seconds = seconds
        self._each = each
        self._total = total
        self._fair = fair
        self._idle_seconds = idle
        self._idle: list[_Worker] = []
        self._busy: set[_Worker] = set()
        self._lock = threading.Lock()
        self._alarm: threading.Timer | None = None
        self._is_closed = False

    def render(self, tree: Tree, spec: SourceSpec, context: Context) -> Rendered | Needs:
        """As `renderers.registry.render`, with the same answers, errors and records of what was read of `tree`."""
        worker = self._taken()
        try:
            return worker.render(tree, spec, context, self._seconds, lambda: self._is_too_much(worker))
        finally:
            self._ended(worker)

    @property
    def is_busy(self) -> bool:
        """Whether a render is under way."""
        return bool(self._busy)

    def close(self) -> None:
        """End all processes; a render that is under way fails."""
        with self._lock:
            self._is_closed = True
            if self._alarm is not None:
                self._alarm.cancel()
            idle, self._idle = self._idle, []
            for worker in self._busy:
                worker.kill()  # the rest of its end is for the thread that waits for it
        for worker in idle:
            worker.end()

    def _is_too_much(self, worker: "_Worker") -> bool:
        """Whether all need more memory than they may, and this one the most."""
        with self._lock:
            needs = {each: each.memory for each in self._busy}
        is_largest = max(needs, key=needs.__getitem__) is worker
        return sum(needs.values()) > self._total and is_largest and needs[worker] > self._fair

    def _taken(self) -> "_Worker":
        with self._lock:
            while self._idle:
                worker = self._idle.pop()
                if worker.is_there:
                    break
                worker.end()
            else:
                worker = _Worker(self._each)
            self._busy.add(worker)
            return worker

    def _ended(self, worker: "_Worker") -> None:
        with self._lock:
            self._busy.discard(worker)
            if worker.is_well and not self._is_closed and self._is_kept(worker):
                worker.idle_since = time.monotonic()
                self._idle.append(worker)
                if self._alarm is None and len(self._idle) > _MOST_IDLE:
                    self._set_alarm()
                return
        worker.end()

    def _is_kept(self, worker: "_Worker") -> bool:
        return len(self._idle) < _MOST_IDLE or worker.memory <= self._fair

    def _set_alarm(self) -> None:
        self._alarm = threading.Timer(self._idle_seconds, self._end_idle)
        self._alarm.daemon = True
        self._alarm.start()

    def _end_idle(self) -> None:
        """End what nobody took for a while: the last one that came is the first to be taken, so the first ones wait."""
        oldest = time.monotonic() - self._idle_seconds
        with self._lock:
            surplus = self._idle[: max(0, len(self._idle) - _MOST_IDLE)]
            ended = [worker for worker in surplus if worker.idle_since <= oldest]
            self._idle = self._idle[len(ended) :]
            self._alarm = None
            if len(self._idle) > _MOST_IDLE and not self._is_closed:
                self._set_alarm()
        for worker in ended:
            worker.end()


class _Worker:
    """One process and the conversation with it."""

    def __init__(self, memory_bytes: int) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            program = f"from renderers.worker import main; main({theirs.fileno()}, {memory_bytes})"
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", program],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={"LC_ALL": "C.UTF-8"},  # and none of ours, where secrets may be
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._other = Connection(ours.detach())
        self.is_well = True  # whether it waits for the next job, as fast as ever
        self.idle_since = 0.0

    @property
    def is_there(self) -> bool:
        """False when something (the kernel, short of memory) ended it while it was idle."""
        return self._process.poll() is None

    @property
    def memory(self) -> int:
        """Bytes of its own that it has in memory now."""
        with contextlib.suppress(OSError):
            _, resident, shared, *_ = map(int, Path(f"/proc/{self._process.pid}/statm").read_text().split())
            return (resident - shared) * resource.getpagesize()
        return 0

    def render(
        self, tree: Tree, spec: SourceSpec, context: Context, seconds: float, is_too_much: Callable[[], bool]
    ) -> Rendered | Needs:
        trees = (tree, *context.remotes.values())
        job = Job(
            spec,
            context.name,
            context.namespace,
            context.load_restrictor,
            context.enable_helm,
            tuple(context.remotes),
            tuple((each.label, each.home) for each in trees),
            context.home,
            context.live,
            known_files(tree.files, spec.path),
            context.decrypt is not None,
        )
        self.is_well = False
        began = time.monotonic()
        message, failure = self._converse(job, (trees, context.decrypt), began + seconds, is_too_much)
        self.is_well = time.monotonic() < began + _LONG_SECONDS
        tree.learn(message["reads"], follows_links=message["follows_links"])
        match message:
            case {"needs": needs}:
                remotes, looks, seed, at = needs
                return Needs(tuple(Remote(*one) for one in remotes), tuple(Look(*one) for one in looks), seed, at)
            case {"error": name, "text": text}:
                raise failure if failure is not None and str(failure) == text else _ERRORS.get(name, RenderError)(text)
            case {"fault": fault}:
                raise RuntimeError(f"a renderer has a fault:\n{fault}")
        manifests = tuple(_read(item) for item in message["manifests"])
        return Rendered(message["renderer"], manifests, tuple(message["chance"]))

    def _converse(
        self, job: Job, given: _Given, deadline: float, is_too_much: Callable[[], bool]
    ) -> tuple[dict[str, Any], GitopsError | None]:
        """The last message, and why the last question without an answer had none."""
        nodes: dict[tuple[int, str], Node | None] = {(0, path): node for path, node in job.known.nodes.items()}
        long_from = time.monotonic() + _LONG_SECONDS
        failure: GitopsError | None = None
        try:
            self._tell(job)
            while True:
                while not self._other.poll(_CHECK_SECONDS):
                    if time.monotonic() > long_from:
                        with contextlib.suppress(ProcessLookupError):
                            os.setpriority(os.PRIO_PROCESS, self._process.pid, _NICE)
                    if time.monotonic() > deadline:
                        raise RenderError(f"{job.spec.path}: rendering it takes too long (split it, or include less)")
                    if is_too_much():
                        raise RenderError(
                            f"{job.spec.path}: rendering it takes too much memory beside the others (split it)"
                        )
                message: dict[str, Any] = json.loads(self._other.recv_bytes(ANSWER_BYTES))
                if "ask" not in message:
                    return message, failure
                try:
                    self._tell(_answer(given, nodes, message))
                except GitopsError as error:
                    failure = error
                    self._tell(Refused(str(error)))
        except (EOFError, ConnectionError) as error:
            raise RenderError(f"{job.spec.path}: rendering it takes too much time or memory (split it)") from error
        except OSError as error:  # what is too long is not received
            limit = ANSWER_BYTES // 2**20
            raise RenderError(f"{job.spec.path}: it renders to more than {limit} MiB (split it)") from error

    def _tell(self, what: object) -> None:
        self._other.send_bytes(pickle.dumps(what))

    def kill(self) -> None:
        """And what it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def end(self) -> None:
        """Kill it, and leave nothing of it."""
        self.kill()
        self._process.wait()
        self._other.close()


def _answer(given: _Given, nodes: dict[tuple[int, str], Node | None], message: dict[str, Any]) -> object:
    trees, decrypt = given
    if message["ask"] == "decrypt":
        assert decrypt is not None
        return decrypt(Encrypted(message["name"], base64.b64decode(message["data"]), message["form"]))
    number, path = message["tree"], message["path"]
    files = trees[number].files
    match message["ask"]:
        case "node":
            found = nodes[number, path] = files.node(path)
            return found
        case "entries":
            return list(files.entries(path))
    node = nodes.get((number, path))
    if node is None:
        raise SourceError(f"{path}: no such file")
    return files.read(path, node)


def _read(item: Any) -> Manifest:
    (group, kind, namespace, name), body, (path, line) = item
    return Manifest(ResourceKey(group, kind, namespace, name), body, Origin(path, line))
