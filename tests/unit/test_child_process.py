"""What a program of others prints is taken in up to a bound, and no longer than it may take."""

import subprocess
import sys

import pytest

from gitops.adapters import child_process
from gitops.adapters.child_process import StoppedError, end, printed


def told(program: str, seconds: float = 30.0) -> tuple[bytes, bytes]:
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        return printed(process, seconds, lambda: None)
    finally:
        end(process)
        for stream in (process.stdout, process.stderr):
            assert stream is not None
            stream.close()


def test_all_of_what_it_prints_is_given_and_the_beginning_of_what_it_complains() -> None:
    program = "import sys; print('x' * 300_000); sys.stderr.write('first ' + 'y' * 2_000_000)"
    out, err = told(program)
    assert out == b"x" * 300_000 + b"\n"
    assert err.startswith(b"first yy")
    assert len(err) < 1_000_000


def test_one_that_prints_too_much_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child_process, "MOST_PRINTED", 2**20)
    with pytest.raises(StoppedError, match="printed more than 1 MiB") as caught:
        told("import sys\nwhile True: sys.stdout.write('x' * 65536)")
    assert not caught.value.is_late


def test_one_that_does_not_end_is_stopped_as_late_though_it_prints_nothing_more() -> None:
    with pytest.raises(StoppedError, match="did not end within") as caught:
        told("import os, time; os.close(1); os.close(2); time.sleep(60)", 0.2)
    assert caught.value.is_late
