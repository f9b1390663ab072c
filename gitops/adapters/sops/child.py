"""Programs that decrypt: fed and read through pipes, with an end to their time and to what they print."""

import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress

from gitops.adapters.child_process import StoppedError, end, printed
from gitops.model.errors import RenderError

SECONDS = 20.0


def run(arguments: Sequence[str], given: bytes, environment: Mapping[str, str]) -> tuple[int, bytes, bytes]:
    """Exit code, output, and the beginning of the complaints. Raises RenderError where there is no such program, and
    for one without an end.
    """
    program = arguments[0].rpartition("/")[2]
    try:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            cwd="/",
            start_new_session=True,
        )
    except OSError as exc:
        raise RenderError(f"the program {program} cannot be run: {exc.strerror}") from exc
    feeding = threading.Thread(target=_feed, args=(process, given), daemon=True)
    feeding.start()
    try:
        output, complaint = printed(process, SECONDS, lambda: None)
    except StoppedError as exc:
        raise RenderError(f"the program {program} {exc}") from None
    finally:
        end(process)
        feeding.join()
    return process.returncode, output, complaint


def _feed(process: "subprocess.Popen[bytes]", given: bytes) -> None:
    assert process.stdin is not None
    with suppress(OSError, ValueError):
        process.stdin.write(given)
        process.stdin.close()
