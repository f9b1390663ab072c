"""Functions whose results are not the same twice, unless a seed makes them so: random text, numbers, identifiers."""

import base64
import string
import uuid
from collections.abc import Callable
from typing import Final

from renderers.helm.circumstances import current
from renderers.helm.functions_strings import bounded
from renderers.helm.gotemplate.errors import FunctionError
from renderers.helm.gotemplate.values import Function, function
from renderers.helm.gotemplate.work import spend

_CHOICE: Final = 100  # units of work
_PRINTABLE: Final = "".join(map(chr, range(32, 127)))


def _text(name: str, alphabet: str) -> Callable[[int], str]:
    def made(count: int) -> str:
        bounded(count, "random text")
        spend(_CHOICE * count)
        return current().stream(name).text(alphabet, count)

    return made


def _number(low: int, high: int) -> int:
    if high <= low:
        raise FunctionError("invalid argument to Intn")
    return low + current().stream("randInt").below(high - low)


def _bytes(count: int) -> str:
    if count < 0:
        raise FunctionError("runtime error: makeslice: len out of range")
    bounded(count, "randBytes")
    return base64.b64encode(current().stream("randBytes").take(count)).decode()


def _shuffled(text: str) -> str:
    letters, stream = list(text), current().stream("shuffle")
    for last in range(len(letters) - 1, 0, -1):
        other = stream.below(last + 1)
        letters[last], letters[other] = letters[other], letters[last]
    return "".join(letters)


def _uuid() -> str:
    return str(uuid.UUID(bytes=current().stream("uuidv4").take(16), version=4))


RANDOM: Final[dict[str, Function]] = {
    "randAlpha": function("int", _text("randAlpha", string.ascii_letters)),
    "randAlphaNum": function("int", _text("randAlphaNum", string.ascii_letters + string.digits)),
    "randAscii": function("int", _text("randAscii", _PRINTABLE)),
    "randBytes": function("int", _bytes),
    "randInt": function("int int", _number),
    "randNumeric": function("int", _text("randNumeric", string.digits)),
    "shuffle": function("string", _shuffled),
    "uuidv4": function("", _uuid),
}
