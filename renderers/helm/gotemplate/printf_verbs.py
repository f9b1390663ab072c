"""One value under one verb of Go's fmt: flags, width and precision, and its messages for what does not fit."""

from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from renderers.helm.gotemplate import numbers
from renderers.helm.gotemplate.errors import FunctionError
from renderers.helm.gotemplate.quoting import can_be_backquoted, is_printable, quote, quote_rune
from renderers.helm.gotemplate.state import MAX_TEXT
from renderers.helm.gotemplate.values import Bytes, GoObject, TypedList, Uint8, Uint64, as_bytes, as_text, type_of
from renderers.helm.gotemplate.work import DEEP, spend

_BASES: Final = {"d": "d", "v": "d", "b": "b", "o": "o", "O": "o", "x": "x", "X": "X"}
_PREFIXES: Final = {"x": "0x", "X": "0X", "b": "0b"}
_REPLACEMENT: Final = "\ufffd"
_MAX_RUNE: Final = 0x10FFFF


@dataclass(slots=True, repr=False, eq=False)
class Room:
    """How much text one call may still give."""

    left: int = MAX_TEXT

    def take(self, length: int) -> None:
        """Raises FunctionError when there is no more room."""
        spend(length)
        self.left -= length
        if self.left < 0:
            raise FunctionError(f"printf: a text of more than {MAX_TEXT // 2**20} MiB is refused")


class Spec(NamedTuple):
    """A verb and what stands between it and the `%`; `width` and `precision` are None where they are not given."""

    verb: str
    flags: frozenset[str]
    width: int | None
    precision: int | None
    room: Room

    def text(self, value: Any) -> str:
        """The value as this verb writes it."""
        if value is None:
            return self.padded("<nil>") if self.verb in "Tv" else f"%!{self.verb}(<nil>)"
        if self.verb == "T":
            return self._cut(type_of(value))
        if self.verb == "w":
            return self._wrong(value)
        return self._value(value)

    def _value(self, value: Any) -> str:
        kind = type(value)
        if kind is str:
            return self._string(value)
        if kind is bool:
            is_right = self.verb in ("t", "v", "plain")
            return self.padded("true" if value else "false") if is_right else self._wrong(value)
        if isinstance(value, int):
            return self._integer(value)
        if kind is float:
            return self._float(value)
        if isinstance(value, Bytes):
            return self._bytes(value)
        if isinstance(value, GoObject):
            if value.number is not None and self.verb in ("d", "b", "o", "O", "c", "U"):
                return self._integer(value.number)
            has_text = self.verb in ("v", "s", "q", "x", "X", "plain")
            return self._string(value.go_print(self.verb)) if has_text else self._wrong(value)
        if self._is_syntax and isinstance(value, TypedList) and value.is_nil:
            return f"{type_of(value)}(nil)"
        spend(4 * DEEP * len(value))
        opening, between, closing = ("{", ", ", "}") if self._is_syntax else ("[", " ", "]")
        if isinstance(value, dict):
            head = type_of(value) if self._is_syntax else "map"
            items = between.join([f"{self._inner(key)}:{self._inner(value[key])}" for key in sorted(value)])
        else:
            head = type_of(value) if self._is_syntax else ""
            items = between.join([self._inner(item) for item in value])
        return f"{head}{opening}{items}{closing}"

    @property
    def _is_syntax(self) -> bool:
        return self.verb == "v" and "#" in self.flags

    def _inner(self, value: Any) -> str:
        self.room.take(8)
        if value is None:
            return "interface {}(nil)" if self._is_syntax else "<nil>"
        return self._value(value)

    def _wrong(self, value: Any) -> str:
        # The flags are still those of the verb, and what `#` and `+` mean to %v itself does not hold.
        return f"%!{self.verb}({type_of(value)}={self._as_plain()._value(value)})"

    def _as_plain(self) -> "Spec":
        return Spec("plain", self.flags, self.width, self.precision, self.room)

    # ── room around it ───────────────────────────────────────────────────────────────────────────────────────────

    def padded(self, text: str, zero: bool = True) -> str:
        """The text in its width; zeros go in front only."""
        missing = (self.width or 0) - len(text)
        self.room.take(max(missing, 0) + len(text))
        if missing <= 0:
            return text
        if "-" in self.flags:
            return text + " " * missing
        return ("0" if zero and "0" in self.flags else " ") * missing + text

    def _cut(self, text: str) -> str:
        return self.padded(text if self.precision is None else text[: self.precision])

    # ── text ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _string(self, value: str) -> str:
        if self.verb == "q" or self._is_syntax:
            text = value if self.precision is None else value[: self.precision]
            if self.verb == "q" and "#" in self.flags and can_be_backquoted(text):
                return self.padded(f"`{text}`")
            return self.padded(quote(text, self.verb == "q" and "+" in self.flags))
        if self.verb in ("v", "s", "plain"):
            return self._cut(value)
        if self.verb in ("x", "X"):
            return self._hex(as_bytes(value))
        return self._wrong(value)

    def _hex(self, data: bytes) -> str:
        data = data[: self.precision]
        prefix = _PREFIXES[self.verb] if "#" in self.flags and data else ""
        digits = data.hex() if self.verb == "x" else data.hex().upper()
        if " " in self.flags:
            digits = f" {prefix}".join(digits[at : at + 2] for at in range(0, len(digits), 2))
        return self.padded(prefix + digits)

    def _bytes(self, value: Bytes) -> str:
        if self.verb in ("s", "q", "x", "X"):
            return self._string(as_text(value.data))
        if self._is_syntax:
            return "[]byte{" + ", ".join(f"0x{each:x}" for each in value.data) + "}"
        return "[" + " ".join(self._inner(Uint8(each)) for each in value.data) + "]"

    # ── numbers ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _integer(self, value: int) -> str:
        if self._is_syntax and isinstance(value, Uint8 | Uint64):
            return self.padded(f"{int(value):#x}")
        if self.verb in _BASES or self.verb == "plain":
            return self._digits(value)
        if self.verb not in ("c", "q", "U"):
            return self._wrong(value)
        code = value % 2**64
        character = chr(code) if code <= _MAX_RUNE and not 0xD800 <= code < 0xE000 else _REPLACEMENT
        if self.verb == "c":
            return self.padded(character)
        if self.verb == "q":
            return self.padded(quote_rune(character, "+" in self.flags))
        text = f"U+{code:0{max(4, self.precision or 0)}X}"
        if "#" in self.flags and code <= _MAX_RUNE and is_printable(character):
            text += f" '{character}'"
        return self.padded(text, zero=False)

    def _digits(self, value: int) -> str:
        sign = "-" if value < 0 else "+" if self._has_plus else " " if " " in self.flags else ""
        digits = format(abs(value), _BASES.get(self.verb, "d"))
        wanted = self.precision
        if wanted == 0 and value == 0:
            return self.padded("", zero=False)
        if wanted is None and "0" in self.flags and "-" not in self.flags:
            wanted = (self.width or 0) - len(sign)
        digits = digits.rjust(wanted or 0, "0")
        if "#" in self.flags:
            digits = _PREFIXES.get(self.verb, "0" if self.verb in ("o", "O") and digits[0] != "0" else "") + digits
        return self.padded(sign + ("0o" if self.verb == "O" else "") + digits, zero=False)

    @property
    def _has_plus(self) -> bool:
        return "+" in self.flags and self.verb != "v"

    def _float(self, value: float) -> str:
        form = "g" if self.verb in ("v", "plain") else "f" if self.verb == "F" else self.verb
        if form not in ("b", "e", "E", "f", "g", "G", "x", "X"):
            return self._wrong(value)
        precision = 6 if self.precision is None and form in ("e", "E", "f") else self.precision
        text = numbers.formatted(value, form, precision)
        sign, digits = (text[0], text[1:]) if text[0] in "+-" else ("+", text)
        if " " in self.flags and sign == "+" and not self._has_plus:
            sign = " "
        shown = sign if self._has_plus or sign != "+" else ""
        if digits[0] in "IN":
            return self.padded((shown or "+" if digits[0] == "I" else shown) + digits, zero=False)
        if "#" in self.flags and not self._is_syntax and form != "b":
            digits = _with_point(digits, form, precision)
        missing = (self.width or 0) - len(shown + digits)
        if shown and "0" in self.flags and "-" not in self.flags and missing > 0:
            self.room.take(missing)
            return shown + "0" * missing + digits
        return self.padded(shown + digits)


def _with_point(digits: str, form: str, precision: int | None) -> str:
    """With a decimal point, and for %g the zeros behind it that its precision asks for."""
    marks = "pP" if form in "xX" else "eE"
    at = next((at for at, each in enumerate(digits) if each in marks), len(digits))
    number, tail = digits[:at], digits[at:]
    wanted = (6 if precision is None else precision) if form in ("g", "G", "x", "X") else 0
    significant = number.replace(".", "").lstrip("0")
    wanted -= len(significant)
    if "." not in number:
        wanted -= number == "0"
        number += "."
    return number + "0" * max(wanted, 0) + tail
