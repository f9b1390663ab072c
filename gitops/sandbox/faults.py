"""Faults on demand: answers that fail, delays, resets, watches that end, history that is forgotten.

`error=429:5%,500:2%,reset:1%,delay=50ms..2s,watch-close=10s,compact=30s` — every part is optional.
"""

import random
import re
from dataclasses import dataclass

from gitops.manifests.errors import GitopsError


class FaultError(GitopsError):
    """A fault specification cannot be read; the text says which part."""


@dataclass(frozen=True, slots=True)
class Faults:
    """What goes wrong, and how often (shares of 1, seconds)."""

    errors: tuple[tuple[int, float], ...] = ()
    reset: float = 0.0
    delay: tuple[float, float] = (0.0, 0.0)
    watch_close: float = 0.0
    compact: float = 0.0

    def chosen_delay(self) -> float:
        low, high = self.delay
        return random.uniform(low, high) if high else 0.0  # noqa: S311 - chance, not a secret

    def chosen_failure(self) -> int:
        """The HTTP code that this request fails with: -1 for a reset connection, 0 for none."""
        roll = random.random()  # noqa: S311 - chance, not a secret
        if roll < self.reset:
            return -1
        roll -= self.reset
        for code, share in self.errors:
            if roll < share:
                return code
            roll -= share
        return 0


_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def parse_faults(text: str) -> Faults:
    """A fault specification; FaultError says what is wrong with it. "" and "none" mean no faults."""
    errors: list[tuple[int, float]] = []
    reset, delay, watch_close, compact = 0.0, (0.0, 0.0), 0.0, 0.0
    for part in (piece.strip() for piece in text.split(",")):
        if part in ("", "none"):
            continue
        name, equals, value = part.partition("=")
        if not equals and ":" in part:
            name, value = "error", part
        match name:
            case "error":
                code, _, share = value.partition(":")
                if code == "reset":
                    reset = _share(share, part)
                else:
                    errors.append((_code(code, part), _share(share, part)))
            case "delay":
                low, dots, high = value.partition("..")
                delay = (_seconds(low, part), _seconds(high if dots else low, part))
            case "watch-close":
                watch_close = _seconds(value, part)
            case "compact":
                compact = _seconds(value, part)
            case _:
                raise FaultError(f"fault {part!r}: expected error=, reset:, delay=, watch-close= or compact=")
    return Faults(tuple(errors), reset, delay, watch_close, compact)


def _code(text: str, part: str) -> int:
    if not re.fullmatch(r"[45]\d\d", text):
        raise FaultError(f"fault {part!r}: expected an HTTP code from 400 to 599, or reset")
    return int(text)


def _share(text: str, part: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)%", text)
    if match is None or float(match[1]) > 100:
        raise FaultError(f"fault {part!r}: expected a share such as 5%")
    return float(match[1]) / 100


def _seconds(text: str, part: str) -> float:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text)
    if match is None:
        raise FaultError(f"fault {part!r}: expected a time such as 50ms or 2s")
    return float(match[1]) * _UNITS[match[2]]
