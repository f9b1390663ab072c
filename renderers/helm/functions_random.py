"""Functions whose results are not the same twice: random text, numbers and identifiers."""

import base64
import secrets
import string
import uuid
from collections.abc import Callable
from typing import Final

from renderers.helm.functions_strings import bounded
from renderers.helm.gotemplate.errors import FunctionError
from renderers.helm.gotemplate.values import Function, function

_PRINTABLE: Final = "".join(map(chr, range(32, 127)))


def _text(alphabet: str) -> Callable[[int], str]:
    def made(count: int) -> str:
        if count < 0:
            raise FunctionError("the length of a random text is negative")
        bounded(count, "random text")
        return "".join(secrets.choice(alphabet) for _ in range(count))

    return made


def _number(low: int, high: int) -> int:
    if high <= low:
        raise FunctionError("invalid argument to Intn")
    return low + secrets.randbelow(high - low)


def _bytes(count: int) -> str:
    if count < 0:
        raise FunctionError("runtime error: makeslice: len out of range")
    bounded(count, "randBytes")
    return base64.b64encode(secrets.token_bytes(count)).decode()


def _shuffled(text: str) -> str:
    letters = list(text)
    secrets.SystemRandom().shuffle(letters)
    return "".join(letters)


RANDOM: Final[dict[str, Function]] = {
    "randAlpha": function("int", _text(string.ascii_letters)),
    "randAlphaNum": function("int", _text(string.ascii_letters + string.digits)),
    "randAscii": function("int", _text(_PRINTABLE)),
    "randBytes": function("int", _bytes),
    "randInt": function("int int", _number),
    "randNumeric": function("int", _text(string.digits)),
    "shuffle": function("string", _shuffled),
    "uuidv4": function("", lambda: str(uuid.uuid4())),
}
