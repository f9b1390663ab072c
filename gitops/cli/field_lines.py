"""How a changed field is printed for people: `path: live → desired`, such that what differs can be seen.

Long values are cut around what differs, a text of several lines is shown by the lines that change. Whole values are in
the JSON and YAML output.
"""

import json
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import takewhile, zip_longest
from typing import Any

import click
import orjson

from gitops.cli.escape import printable
from gitops.model.plan import ABSENT, FieldChange, Manager

_LONGEST_VALUE = 120
# So much of what both sides have is shown before and behind what differs.
_AROUND = 30
# What is longer is compared line by line at the same place: to find what moved takes time that grows with the square.
_MOST_COMPARED = 1000
_MOST_SHOWN = 400


def field_lines(field: FieldChange) -> list[str]:
    """The lines for one changed field; those after the first are indented."""
    who = click.style(_set_by(field), dim=True)
    path = printable(field.path)
    is_text = isinstance(field.live, str) and isinstance(field.desired, str)
    if is_text and "\n" in f"{field.live[:-1]} {field.desired[:-1]}":
        lines = list(_changed_lines(field.live, field.desired))
        more = [f"… {len(lines) - _MOST_SHOWN} more lines differ"] if len(lines) > _MOST_SHOWN else []
        return [f"{path}:{who}", *(f"  {line}" for line in (*lines[:_MOST_SHOWN], *more))]
    live, desired = _sides(field.live, field.desired)
    return [f"{path}: {live} → {desired}{who}"]


def _set_by(field: FieldChange) -> str:
    if not isinstance(field.owner, Manager):
        return ""
    how = ", ".join(part for part in (field.owner.operation, field.owner.time) if part)
    return printable(f"   set by {field.owner.name} ({how})")


def _sides(live: Any, desired: Any) -> tuple[str, str]:
    """Both values in one line each, cut around what differs; text bare, unless the other would look just the same."""
    one, other = _plain(live), _plain(desired)
    if one == other and live != desired:
        one, other = _quoted(live), _quoted(desired)
    if live is ABSENT or desired is ABSENT or max(len(one), len(other)) <= _LONGEST_VALUE:
        return _window(one), _window(other)
    before = _shared(one, other)
    after = min(_shared(one[::-1], other[::-1]), len(one) - before, len(other) - before)
    first, last = max(before - _AROUND, 0), max(after - _AROUND, 0)
    return _window(one, first, last), _window(other, first, last)


def _plain(value: Any) -> str:
    return printable(value) if isinstance(value, str) else _quoted(value)


def _quoted(value: Any) -> str:
    if value is ABSENT:
        return repr(ABSENT)
    return json.dumps(value) if isinstance(value, str) else printable(orjson.dumps(value).decode())


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    """How many characters, or lines, both begin with."""
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False)))


def _window(text: str, first: int = 0, last: int = 0) -> str:
    """`text` without its `first` and `last` characters; what is too long even so says how much is not shown."""
    middle = text[first : len(text) - last]
    more = len(middle) - _LONGEST_VALUE
    head, tail = "…" if first else "", "…" if last else ""
    return f"{head}{middle[:_LONGEST_VALUE]}… ({more} more characters)" if more > 0 else f"{head}{middle}{tail}"


def _changed_lines(live: str, desired: str) -> Iterator[str]:
    """`12 - old`, `12 + new`: the lines that differ, with their numbers on either side."""
    before, after = live.split("\n"), desired.split("\n")
    for old, old_end, new, new_end in _differing(before, after):
        pairs = zip_longest(before[old:old_end], after[new:new_end], fillvalue=ABSENT)
        shown = [_sides(*pair) for pair in pairs]
        for number, (line, _) in zip(range(old, old_end), shown, strict=False):
            yield click.style(f"{number + 1} - {line}", fg="red")
        for number, (_, line) in zip(range(new, new_end), shown, strict=False):
            yield click.style(f"{number + 1} + {line}", fg="green")


def _differing(before: list[str], after: list[str]) -> Iterator[tuple[int, int, int, int]]:
    """Where the two differ, as (from, to) in each."""
    start = _shared(before, after)
    behind = min(_shared(before[::-1], after[::-1]), len(before) - start, len(after) - start)
    old, new = before[start : len(before) - behind], after[start : len(after) - behind]
    if max(len(old), len(new)) <= _MOST_COMPARED:
        for word, *place in SequenceMatcher(None, old, new).get_opcodes():
            if word != "equal":
                yield (start + place[0], start + place[1], start + place[2], start + place[3])
        return
    both = min(len(old), len(new))
    for number in range(start, start + both):
        if before[number] != after[number]:
            yield (number, number + 1, number, number + 1)
    yield (start + both, start + len(old), start + both, start + len(new))
