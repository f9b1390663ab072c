"""Globs of `${x#glob}` and its like: `*`, `?`, `[a-z]`, `[^a]` and `\\c`, matched as the envsubst of Flux matches them.

`*` and `?` fit a slash too. What is wrong with a glob matters only when matching comes to that place, so that is one of
the things that a glob is made of. Where the end is cut, text and glob are turned round, brackets and all: `[a-z]` is
no class there. Positions are in bytes.
"""

from typing import Final, NamedTuple

from renderers.transforms.envsubst.work import Work

_ANY: Final = -1
_BROKEN: Final = -2
_INVALID: Final = 0xFFFD
_NO: Final = -1


class _Class(NamedTuple):
    negated: bool
    ranges: tuple[tuple[int, int], ...]


class _Chunk(NamedTuple):
    """What stands between two stars; `literal` is what it fits where it fits one text only."""

    star: bool
    items: tuple["int | _Class", ...]
    literal: bytes | None


Glob = tuple[_Chunk, ...]


def without_beginning(text: bytes, pattern: bytes, longest: bool, work: Work) -> bytes:
    """`text` without the shortest or longest beginning that `pattern` fits; as it is, if the pattern is broken."""
    glob = _read(pattern)
    is_broken = any(_BROKEN in chunk.items for chunk in glob)
    shortest = 0
    # From the shortest on, but where another length may bring to light that the pattern is broken.
    lengths = range(len(text), 0, -1) if longest or is_broken else range(1, len(text) + 1)
    for length in lengths:
        fits = _fits(glob, text, length, work)
        if fits is None:
            return text
        if fits:
            shortest = length
            if longest or not is_broken:
                break
    return text[shortest:]


def without_end(text: bytes, pattern: bytes, longest: bool, work: Work) -> bytes:
    """The same for the end."""
    return _reversed(without_beginning(_reversed(text), _reversed(pattern), longest, work))


def _reversed(text: bytes) -> bytes:
    characters = text.decode("utf-8", "surrogateescape")[::-1]
    return valid(characters).encode()


def valid(text: str) -> str:
    """The same with U+FFFD for bytes that are no UTF-8."""
    return "".join("\ufffd" if "\udc80" <= each <= "\udcff" else each for each in text)


# ── reading ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _read(pattern: bytes) -> Glob:
    chunks: list[_Chunk] = []
    while pattern:
        rest = pattern.lstrip(b"*")
        end = _chunk_end(rest)
        items = _items(rest[:end])
        is_literal = all(isinstance(item, int) and item >= 0 for item in items)
        literal = bytes(item for item in items if isinstance(item, int)) if is_literal else None
        chunks.append(_Chunk(rest != pattern, items, literal))
        pattern = rest[end:]
    return tuple(chunks)


def _chunk_end(pattern: bytes) -> int:
    """Where the next star is that is in no brackets."""
    is_inside = False
    at = 0
    while at < len(pattern):
        match pattern[at : at + 1]:
            case b"\\":
                at += 1
            case b"[":
                is_inside = True
            case b"]":
                is_inside = False
            case b"*" if not is_inside:
                return at
        at += 1
    return len(pattern)


def _items(chunk: bytes) -> tuple["int | _Class", ...]:
    items: list[int | _Class] = []
    at = 0
    while at < len(chunk):
        match chunk[at : at + 1]:
            case b"[":
                found, at = _class(chunk, at + 1)
                items.append(found)
                continue
            case b"?":
                items.append(_ANY)
            case b"\\":
                at += 1
                items.append(chunk[at] if at < len(chunk) else _BROKEN)
            case _:
                items.append(chunk[at])
        at += 1
    return tuple(items)


def _class(chunk: bytes, at: int) -> tuple["int | _Class", int]:
    """The class whose inside begins at `at`, and where it ends; nothing is read behind a broken one."""
    negated = chunk[at : at + 1] == b"^"
    at += negated
    ranges: list[tuple[int, int]] = []
    while chunk[at : at + 1] != b"]" or not ranges:
        low, at = _member(chunk, at)
        high = low
        if low != _BROKEN and chunk[at : at + 1] == b"-":
            high, at = _member(chunk, at + 1)
        if _BROKEN in (low, high):
            return _BROKEN, len(chunk)
        ranges.append((low, high))
    return _Class(negated, tuple(ranges)), at + 1


def _member(chunk: bytes, at: int) -> tuple[int, int]:
    """One character of a class, which something has to follow."""
    if chunk[at : at + 1] in (b"", b"-", b"]"):
        return _BROKEN, at
    at += chunk[at : at + 1] == b"\\"
    code, width = _character(chunk, at, len(chunk))
    is_broken = at + width >= len(chunk) or (code == _INVALID and width == 1)
    return (_BROKEN if is_broken else code), at + width


# ── matching ─────────────────────────────────────────────────────────────────────────────────────────────────────


def _fits(glob: Glob, text: bytes, end: int, work: Work) -> bool | None:
    """Whether the first `end` bytes fit; None where the glob turns out to be broken."""
    at = 0
    for number, chunk in enumerate(glob):
        is_last = number == len(glob) - 1
        if not chunk.items:  # the star at the end
            return True
        at = _found(chunk, text, at, end, work) if not is_last else _found_last(chunk, text, at, end, work)
        if at < 0:
            return None if at == _BROKEN else False
    return at == end


def _found(chunk: _Chunk, text: bytes, at: int, end: int, work: Work) -> int:
    """Where the first place ends that the chunk fits, from `at` on if it has a star; else _NO or _BROKEN."""
    if chunk.literal is not None and chunk.star:
        work.step(1 + (end - at) // 256)
        place = text.find(chunk.literal, at, end)
        return _NO if place < 0 else place + len(chunk.literal)
    for start in range(at, end + 1 if chunk.star else at + 1):
        found = _after(chunk, text, start, end, work)
        if found != _NO:
            return found
    return _NO


def _found_last(chunk: _Chunk, text: bytes, at: int, end: int, work: Work) -> int:
    """The same for a place that ends with the text."""
    if chunk.literal is not None:
        work.step(1)
        is_there = text.endswith(chunk.literal, at, end) and (chunk.star or at + len(chunk.literal) == end)
        return end if is_there else _NO
    for start in range(at, end + 1 if chunk.star else at + 1):
        found = _after(chunk, text, start, end, work)
        if found in (end, _BROKEN):
            return found
    return _NO


def _after(chunk: _Chunk, text: bytes, at: int, end: int, work: Work) -> int:
    """Where the chunk ends that begins at `at`; else _NO or _BROKEN."""
    work.step(1)
    for item in chunk.items:
        if at >= end:
            return _NO
        if item == _BROKEN:
            return _BROKEN
        if isinstance(item, int) and item != _ANY:
            if text[at] != item:
                return _NO
            at += 1
            continue
        code, width = _character(text, at, end)
        if isinstance(item, _Class) and any(low <= code <= high for low, high in item.ranges) == item.negated:
            return _NO
        at += width
    return at


def _character(text: bytes, at: int, end: int) -> tuple[int, int]:
    """The code and the width of the character at `at`; U+FFFD of width 1 for what is no UTF-8."""
    if at < end and text[at] < 0x80:
        return text[at], 1
    for width in (2, 3, 4):
        try:
            return ord(text[at : min(at + width, end)].decode()), width
        except (UnicodeDecodeError, TypeError):
            continue
    return _INVALID, 1
