"""`gitops` as a process that is there at once: two thirds of what most commands cost is importing.

One helper for each process that runs tests has imported the command line, and forks for each command. The fork has the
command's own arguments, folder, environment and files, and goes through all that a fresh process does after its
imports. What a Python reads before them is the same for all; a command that wants it otherwise is started afresh.
"""

import atexit
import contextlib
import gc
import importlib
import os
import pickle
import pkgutil
import select
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
_MOST_BYTES = 1024 * 1024
_IS_POSSIBLE = hasattr(os, "pidfd_open") and hasattr(socket, "SOCK_SEQPACKET")

# All of these packages is imported, but for what a command has only in places that tests do not take it to.
_PACKAGES = ("gitops.cli", "gitops.controller", "gitops.adapters", "policies", "renderers.kustomize")
_LEFT_OUT = ("__main__", "plug_in", "store_postgresql", "sandbox", "demo")
# What Python, its memory, and the loader of programs read while they start.
_EARLY = ("PYTHON", "LC_", "LANG", "MALLOC_", "LD_", "GLIBC_")


def start(
    arguments: Sequence[str],
    cwd: Path,
    env: Mapping[str, str],
    stdout: int | None = subprocess.PIPE,
    stderr: int | None = subprocess.PIPE,
) -> "Command | subprocess.Popen[str]":
    """`gitops` with these arguments; `stdout` and `stderr` as `subprocess.Popen` takes them, the output being text."""
    if _IS_POSSIBLE and _early(env) == _early(os.environ):
        return Command(arguments, cwd, env, stdout, stderr)
    return start_afresh(arguments, cwd, env, stdout, stderr)


def start_afresh(
    arguments: Sequence[str],
    cwd: Path,
    env: Mapping[str, str],
    stdout: int | None = subprocess.PIPE,
    stderr: int | None = subprocess.PIPE,
) -> "subprocess.Popen[str]":
    """The same as a process that imports everything itself."""
    program = f"import sys; sys.path.insert(0, {str(_ROOT)!r}); from gitops.cli.entry import main; "
    command = [sys.executable, "-c", program + "sys.argv[0] = 'gitops'; main()", *arguments]
    return subprocess.Popen(command, cwd=cwd, env=env, stdout=stdout, stderr=stderr, text=True)


def run(
    arguments: Sequence[str], cwd: Path, env: Mapping[str, str], timeout: float = 100.0
) -> "subprocess.CompletedProcess[str]":
    """How a command ends, and all that it printed."""
    process = start(arguments, cwd, env)
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return subprocess.CompletedProcess(["gitops", *arguments], process.returncode, out, err)


class Command:
    """A command that was started, as `subprocess.Popen` would show it."""

    def __init__(
        self, arguments: Sequence[str], cwd: Path, env: Mapping[str, str], stdout: int | None, stderr: int | None
    ) -> None:
        self.args = ["gitops", *arguments]
        self.returncode: int | None = None
        self._found: dict[str, str | None] = {}
        self._readers: list[threading.Thread] = []
        ours, theirs = os.pipe()
        self._report = os.fdopen(ours, "rb", buffering=0)
        with contextlib.ExitStack() as given:
            given.callback(os.close, theirs)
            self.stdout, out = _stream(stdout, 1, given)
            self.stderr, err = _stream(stderr, 2, given)
            _helper().start((self.args, str(cwd), dict(env)), [0, out, err, theirs])
        self.pid = self._reported()

    def poll(self) -> int | None:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0.0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            if not select.select([self._report], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
            self.returncode = self._reported()
            self._report.close()
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str | None, str | None]:
        deadline = None if timeout is None else time.monotonic() + timeout
        if not self._readers:
            self._readers = [threading.Thread(target=self._drain, args=[name], daemon=True) for name in _OUTPUTS]
            for reader in self._readers:
                reader.start()
        for reader in self._readers:
            reader.join(None if deadline is None else max(0.0, deadline - time.monotonic()))
            if reader.is_alive():
                raise subprocess.TimeoutExpired(self.args, timeout or 0.0)
        self.wait(None if deadline is None else max(0.0, deadline - time.monotonic()))
        return self._found["stdout"], self._found["stderr"]

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> "Command":
        return self

    def __exit__(self, *_: object) -> None:
        for stream in (self.stdout, self.stderr):
            if stream is not None:
                stream.close()
        self.wait()

    def _drain(self, name: str) -> None:
        stream = getattr(self, name)
        self._found[name] = None
        if stream is not None:
            with stream:
                self._found[name] = stream.read()

    def _reported(self) -> int:
        """The next number that is told of it: the first is its process, the second how that ended."""
        line = b""
        while not line.endswith(b"\n"):
            part = self._report.read(1)
            assert part, "what starts commands has ended"
            line += part
        return int(line)


_OUTPUTS = ("stdout", "stderr")


def _stream(wanted: int | None, inherited: int, given: contextlib.ExitStack):
    """What is read here (None for what is not), and the descriptor that the command writes to."""
    if wanted == subprocess.PIPE:
        ours, theirs = os.pipe()
        given.callback(os.close, theirs)
        return os.fdopen(ours, encoding="utf-8"), theirs
    if wanted == subprocess.DEVNULL:
        theirs = os.open(os.devnull, os.O_WRONLY)
        given.callback(os.close, theirs)
        return None, theirs
    return None, inherited if wanted is None else wanted if isinstance(wanted, int) else wanted.fileno()


def _early(env: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in env.items() if name.startswith(_EARLY)}


class _Helper:
    """The process that has imported everything."""

    def __init__(self) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._lock = threading.Lock()
        # With a module for its main program, Click would call that `python -m ...`.
        program = f"import sys; sys.path.insert(0, {str(_ROOT)!r}); from tests.warm import serve; serve()"
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", program, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )

    def start(self, what: tuple[list[str], str, dict[str, str]], files: list[int]) -> None:
        with self._lock:
            socket.send_fds(self._socket, [pickle.dumps(what)], files)

    def end(self) -> None:
        self._socket.close()
        self._process.wait()


_helpers: list[_Helper] = []
_lock = threading.Lock()


def _helper() -> _Helper:
    with _lock:
        if not _helpers:
            _helpers.append(_Helper())
        return _helpers[0]


def end() -> None:
    """End the helper, if there is one."""
    while _helpers:
        _helpers.pop().end()


# ── the helper ───────────────────────────────────────────────────────────────────────────────────────────────────────


def serve() -> None:
    """Fork for each command that is asked for, and tell how it ended; in a fork, be that command."""
    orders = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who runs the tests
    for package in map(importlib.import_module, _PACKAGES):
        for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
            if module.name.rpartition(".")[2] not in _LEFT_OUT:
                importlib.import_module(module.name)
    gc.collect()
    gc.freeze()
    reports: dict[int, tuple[int, int]] = {}  # by the descriptor that tells when a process has ended
    with selectors.DefaultSelector() as selector:
        selector.register(orders, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fileobj is not orders:
                    selector.unregister(key.fd)
                    _tell_end(key.fd, *reports.pop(key.fd))
                    continue
                message, files, _, _ = socket.recv_fds(orders, _MOST_BYTES, 4)
                if not message:
                    return
                signal.pthread_sigmask(signal.SIG_BLOCK, _OWN_SIGNALS)
                process = os.fork()
                if not process:
                    orders.detach()
                    break
                signal.pthread_sigmask(signal.SIG_UNBLOCK, _OWN_SIGNALS)
                for file in files[:3]:
                    os.close(file)
                ended = os.pidfd_open(process)
                reports[ended] = (process, files[3])
                selector.register(ended, selectors.EVENT_READ)
            else:
                continue
            break
    _become(message, files)


_OWN_SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1}


def _tell_end(ended: int, process: int, report: int) -> None:
    os.close(ended)
    _, status = os.waitpid(process, 0)
    with contextlib.suppress(BrokenPipeError):  # nobody wants to know
        os.write(report, b"%d\n" % os.waitstatus_to_exitcode(status))
    os.close(report)


def _become(message: bytes, files: list[int]) -> None:
    """Be the command that a message asks for, to the end of this process."""
    sys.argv, folder, environment = pickle.loads(message)
    for number, file in enumerate(files):
        os.dup2(file, number)
    os.closerange(4, os.sysconf("SC_OPEN_MAX"))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _OWN_SIGNALS)
    os.write(3, b"%d\n" % os.getpid())
    os.close(3)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    from gitops.cli.entry import main

    try:
        main()
        code = 0
    except SystemExit as end:
        if not isinstance(end.code, int | None):
            raise
        code = end.code or 0
    # As Python ends, but for taking apart all that was imported.
    threading._shutdown()
    gc.collect()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
