"""A connection that ends after so many seconds in all, however slowly the other side sends.

A timeout of a socket counts from one byte to the next: who sends one now and then holds a reader for days.
"""

import io
import socket
import time
from typing import Any


class TimedSocket:
    """`connected` as `http.client` uses a socket, for `most` seconds. Raises TimeoutError after those."""

    def __init__(self, connected: socket.socket, each: float, most: float) -> None:
        """No single answer of the other side may take more than `each` seconds."""
        self._socket = connected
        self._each = each
        self._most = most
        self._deadline = time.monotonic() + most

    def makefile(self, mode: str, *_: Any) -> io.BufferedReader:
        return io.BufferedReader(_TimedFile(self, self._socket.makefile(mode, buffering=0)))  # type: ignore[call-overload]

    def sendall(self, data: bytes) -> None:
        self.check()
        self._socket.sendall(data)

    def close(self) -> None:
        self._socket.close()

    def check(self) -> None:
        """Let the next call take no longer than what is left. Raises TimeoutError where nothing is."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError(f"it takes more than {self._most:.0f} s")
        self._socket.settimeout(min(left, self._each))


class _TimedFile(io.RawIOBase):
    def __init__(self, of: TimedSocket, file: io.RawIOBase) -> None:
        self._of = of
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._of.check()
        return self._file.readinto(buffer)

    def close(self) -> None:
        self._file.close()
        super().close()
