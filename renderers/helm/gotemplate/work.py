"""How much work a render may do, counted and not timed: the same chart is refused, or not, on every machine.

A unit is about a byte that is handled. Texts count by their length, lists and maps by their items, and each call for
itself, so that what would take without end, or grow without measure, stops in the function that would go on with it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final

from renderers.helm.gotemplate.errors import FunctionError

MAX_WORK: Final = 256_000_000
CALL: Final = 250
ITEM: Final = 32
DEEP: Final = 160


class Meter:
    """What is left for one render."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = MAX_WORK

    def spend(self, amount: int) -> None:
        """Raises FunctionError when it is used up."""
        self.left -= amount
        if self.left < 0:
            raise FunctionError(
                "the templates of this chart do more than any chart needs: they make, or go over, "
                f"more than {MAX_WORK // 10**6} MB of text and items in all"
            )


_METER: Final[ContextVar[Meter | None]] = ContextVar("meter", default=None)


@contextmanager
def metered(meter: Meter) -> Iterator[None]:
    """Count what functions do on this meter."""
    token = _METER.set(meter)
    try:
        yield
    finally:
        _METER.reset(token)


def spend(amount: int) -> None:
    """Count work that cannot be told from what a function is given and gives. Raises FunctionError."""
    meter = _METER.get()
    if meter is not None:
        meter.spend(amount)


def size_of(value: Any) -> int:
    """The work that handling a value once takes, without what is deeper inside of it."""
    kind = type(value)
    if kind is str:
        return len(value)
    return ITEM * len(value) if isinstance(value, list | dict) else 0


def deep_size_of(value: Any) -> int:
    """The same where each item is gone into."""
    return DEEP * len(value) if isinstance(value, list | dict) else 0


# Functions that go over nothing of what they are given, however long it is.
_CHEAP: Final = frozenset(
    (
        *("set", "unset", "get", "hasKey", "index", "len", "dig", "not", "and", "or", "empty", "default", "coalesce"),
        *("ternary", "required", "kindOf", "kindIs", "typeOf", "typeIs", "typeIsLike", "first", "last", "list", "dict"),
        *("tuple", "mustFirst", "mustLast", "pluck", "all", "any", "fail"),
    )
)

# Those that look at each character by itself, which takes longer and more room.
_BY_CHARACTER: Final = {
    **dict.fromkeys(("snakecase", "kebabcase", "camelcase", "title", "untitle", "swapcase", "initials", "shuffle"), 64),
    **dict.fromkeys(("wrap", "wrapWith", "urlquery", "urlParse", "js", "html", "nospace", "semver"), 16),
    **dict.fromkeys(("date", "dateInZone", "date_in_zone", "htmlDate", "htmlDateInZone", "toDate", "mustToDate"), 64),
    **dict.fromkeys(("fromYaml", "fromYamlArray", "fromJson", "fromJsonArray", "fromToml", "mustFromJson"), 32),
}


def _text_size(value: Any) -> int:
    return len(value) if type(value) is str else 0


def sizer_of(name: str) -> Callable[[Any], int]:
    """How much work each argument, and the result, of a function is."""
    if name in _CHEAP:
        return lambda value: 0
    if name in _BY_CHARACTER:
        return lambda value: _BY_CHARACTER[name] * _text_size(value)
    return _text_size if name in ("include", "tpl") else size_of
