"""Other programs as they run beside us: what they print has a bound, and their time an end."""

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from gitops.bounds import MIB

# A hundred thousand refs, or changed paths: who has more is not served.
MOST_PRINTED: Final = 16 * MIB
_MOST_COMPLAINT: Final = 64 * 1024
_CHUNK: Final = 256 * 1024
_CHECK_SECONDS: Final = 0.25


class StoppedError(Exception):
    """It has had all the time that it may have, or has said all that it may say."""

    def __init__(self, why: str, *, is_late: bool) -> None:
        super().__init__(why)
        self.is_late = is_late


def printed(process: subprocess.Popen[bytes], timeout: float, check: Callable[[], None]) -> tuple[bytes, bytes]:
    """All that a process prints until it ends; of its complaints the beginning. Raises StoppedError."""
    assert process.stdout is not None
    deadline = time.monotonic() + timeout
    check_at = 0.0
    late = StoppedError(f"did not end within {timeout:.0f} s", is_late=True)
    said = {stream: bytearray() for stream in (process.stdout, process.stderr) if stream is not None}
    with selectors.DefaultSelector() as selector:
        for stream in said:
            selector.register(stream, selectors.EVENT_READ)
        while selector.get_map():
            if time.monotonic() > deadline:
                raise late
            for key, _ in selector.select(min(_CHECK_SECONDS, timeout)):
                data = os.read(key.fd, _CHUNK)
                if not data:
                    selector.unregister(key.fileobj)
                elif key.fileobj is process.stdout:
                    said[process.stdout] += data
                elif process.stderr is not None and len(said[process.stderr]) < _MOST_COMPLAINT:
                    said[process.stderr] += data
            if len(said[process.stdout]) > MOST_PRINTED:
                raise StoppedError(f"printed more than {MOST_PRINTED // MIB} MiB", is_late=False)
            if time.monotonic() > check_at:
                check()
                check_at = time.monotonic() + _CHECK_SECONDS
    try:
        process.wait(max(0.1, deadline - time.monotonic()))
    except subprocess.TimeoutExpired:
        raise late from None
    return bytes(said[process.stdout]), bytes(said[process.stderr]) if process.stderr is not None else b""


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and, where it leads a group, everything that it started; harmless when it has ended."""
    if process.poll() is None:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            process.kill()
        process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            with suppress(BrokenPipeError):  # what was still to be said to it is for nobody
                stream.close()
