"""Go's fmt: what `print` and `printf` make of values, with its own messages for what does not fit."""

import re
from typing import Any, Final

from renderers.helm.gotemplate import numbers
from renderers.helm.gotemplate.errors import FunctionError
from renderers.helm.gotemplate.values import GoObject, as_bytes, as_text, kind_of, type_of

MAX_WIDTH: Final = 1_000_000
_VERB: Final = re.compile(r"%([-+# 0]*)(\*|\d+)?(?:\.(\*|\d*))?(?:\[(\d*)\])?(.|$)", re.DOTALL)
_WHOLE: Final = frozenset(("int", "int64", "int32", "uint64", "uint8"))


def print_value(value: Any) -> str:
    """`%v`."""
    kind = type(value)
    if kind is str:
        return value  # type: ignore[no-any-return]
    if kind is bool:
        return "true" if value else "false"
    if value is None:
        return "<nil>"
    if kind is float:
        return numbers.format_g(value)
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, GoObject):
        return value.go_print("v")
    if isinstance(value, dict):
        return "map[" + " ".join(f"{key}:{print_value(value[key])}" for key in sorted(value)) + "]"
    return "[" + " ".join(map(print_value, value)) + "]"


def sprint(*values: Any) -> str:
    """fmt.Sprint: a space between two operands where neither is text."""
    pieces: list[str] = []
    before_is_text = True
    for number, value in enumerate(values):
        is_text = type(value) is str
        if number and not is_text and not before_is_text:
            pieces.append(" ")
        pieces.append(print_value(value))
        before_is_text = is_text
    return "".join(pieces)


def sprintln(*values: Any) -> str:
    """fmt.Sprintln."""
    return " ".join(map(print_value, values)) + "\n"


def sprintf(form: str, *values: Any) -> str:
    """fmt.Sprintf. Raises FunctionError where a width is beyond all measure."""
    return _Printer(form, values).run()


class _Printer:
    def __init__(self, form: str, values: tuple[Any, ...]) -> None:
        self._form = form
        self._values = values
        self._next = 0
        self._reordered = False

    def run(self) -> str:
        text = _VERB.sub(self._replaced, self._form)
        if self._next < len(self._values) and not self._reordered:
            extra = (f"{type_of(each)}={print_value(each)}" for each in self._values[self._next :])
            shown = ", ".join(
                "<nil>" if value is None else told
                for value, told in zip(self._values[self._next :], extra, strict=True)
            )
            text += f"%!(EXTRA {shown})"
        return text

    def _number(self, text: str | None) -> int | str | None:
        if text != "*":
            return int(text) if text else None
        if self._next >= len(self._values) or not isinstance(self._values[self._next], int):
            self._next += 1
            return "bad"
        self._next += 1
        return int(self._values[self._next - 1])

    def _replaced(self, found: re.Match[str]) -> str:
        flags, verb = found[1], found[5]
        width = self._number(found[2])
        precision = self._number(found[3]) if found[3] is not None else None
        if found[3] == "":
            precision = 0
        prefix = ""
        if width == "bad":
            prefix, width = "%!(BADWIDTH)", None
        if precision == "bad" or (isinstance(precision, int) and precision < 0):
            prefix, precision = prefix + "%!(BADPREC)", None
        if isinstance(width, int) and width < 0:
            flags, width = flags + "-", -width
        if max(int(width or 0), int(precision or 0)) > MAX_WIDTH:
            raise FunctionError(f"printf: a width of more than {MAX_WIDTH} is refused")
        if not verb:
            return prefix + "%!(NOVERB)"
        if verb == "%":
            return prefix + "%"
        if found[4] is not None:
            self._reordered = True
            if not 0 < int(found[4] or 0) <= len(self._values):
                return f"{prefix}%!{verb}(BADINDEX)"
            self._next = int(found[4]) - 1
        if self._next >= len(self._values):
            return f"{prefix}%!{verb}(MISSING)"
        value = self._values[self._next]
        self._next += 1
        return prefix + _Verb(flags, width, precision, verb).text(value)  # type: ignore[arg-type]


class _Verb:
    def __init__(self, flags: str, width: int | None, precision: int | None, verb: str) -> None:
        self.flags = flags.replace("+", "") if verb == "v" else flags
        self.width = width
        self.precision = precision
        self.verb = verb

    def text(self, value: Any) -> str:
        if self.verb == "T":
            return self._padded(type_of(value))
        if value is None:
            return self._padded("<nil>") if self.verb == "v" else f"%!{self.verb}(<nil>)"
        kind = kind_of(value)
        if isinstance(value, GoObject):
            if self.verb in "vs":
                return self._padded(value.go_print(self.verb))
            if self.verb == "q":
                return self._padded(quote(value.go_print("v")))
            return self._wrong(value)
        if kind == "string":
            return self._string(value)
        if kind == "bool":
            return self._padded("true" if value else "false") if self.verb in "vt" else self._wrong(value)
        if kind in _WHOLE:
            return self._integer(value)
        if kind == "float64":
            return self._float(value)
        if self.verb == "v" and "#" in self.flags:
            return go_syntax(value)
        if isinstance(value, dict):
            return "map[" + " ".join(f"{self.text(key)}:{self._inner(value[key])}" for key in sorted(value)) + "]"
        return "[" + " ".join(map(self._inner, value)) + "]"

    def _inner(self, value: Any) -> str:
        return self._padded("<nil>") if value is None else self.text(value)

    def _wrong(self, value: Any) -> str:
        plain = _Verb(self.flags, self.width, self.precision, "v")
        return f"%!{self.verb}({type_of(value)}={plain.text(value)})"

    def _padded(self, text: str, zero: bool = False) -> str:
        if self.width is None or len(text) >= self.width:
            return text
        if "-" in self.flags:
            return text.ljust(self.width)
        if zero and "0" in self.flags:
            sign = text[0] if text[:1] in ("+", "-", " ") else ""
            return sign + text[len(sign) :].rjust(self.width - len(sign), "0")
        return text.rjust(self.width, "0" if "0" in self.flags and self.verb in "sqvxX" else " ")

    def _string(self, value: str) -> str:
        match self.verb:
            case "v" if "#" in self.flags:
                return self._padded(quote(value))
            case "v" | "s":
                return self._padded(value if self.precision is None else value[: self.precision])
            case "q":
                value = value if self.precision is None else value[: self.precision]
                if "#" in self.flags and "`" not in value and value.isprintable():
                    return self._padded(f"`{value}`")
                return self._padded(quote(value, "+" in self.flags))
            case "x" | "X":
                data = as_bytes(value)[: self.precision].hex(*((" ",) if " " in self.flags else ()))
                return self._padded(data if self.verb == "x" else data.upper())
        return self._wrong(value)

    def _integer(self, value: int) -> str:
        bases = {"d": "d", "v": "d", "b": "b", "o": "o", "O": "o", "x": "x", "X": "X"}
        if self.verb in bases:
            digits = format(abs(value), bases[self.verb])
            if self.precision is not None:
                digits = "" if self.precision == 0 and value == 0 else digits.rjust(self.precision, "0")
            if self.verb == "O":
                digits = "0o" + digits
            elif "#" in self.flags and self.verb in "xXbo":
                digits = {"x": "0x", "X": "0X", "b": "0b", "o": "0"}[self.verb] + digits
            sign = "-" if value < 0 else "+" if "+" in self.flags else " " if " " in self.flags else ""
            return self._padded(sign + digits, zero=self.precision is None)
        if self.verb in "cqU" and 0 <= value < 0x110000:
            if self.verb == "U":
                return self._padded(f"U+{value:04X}")
            character = chr(value)
            return self._padded(character if self.verb == "c" else _quote_rune(character))
        return self._wrong(value)

    def _float(self, value: float) -> str:
        if self.verb not in "vgGeEfF":
            return self._wrong(value)
        special = numbers.format_g(value)
        if special.lstrip("+-") in ("Inf", "NaN"):
            text = special
        elif self.verb in "fF":
            text = f"{value:.{6 if self.precision is None else self.precision}f}"
        elif self.verb in "eE":
            text = f"{value:.{6 if self.precision is None else self.precision}e}"
        elif self.precision is None:
            text = special
        else:
            text = f"{value:.{self.precision or 1}g}"
        if self.verb in "EG":
            text = text.upper()
        if text[0] not in "+-" and ("+" in self.flags or " " in self.flags):
            text = ("+" if "+" in self.flags else " ") + text
        return self._padded(text, zero=True)


def go_syntax(value: Any) -> str:
    """`%#v`."""
    if isinstance(value, dict):
        return type_of(value) + "{" + ", ".join(f"{quote(k)}:{go_syntax(value[k])}" for k in sorted(value)) + "}"
    if isinstance(value, list):
        return type_of(value) + "{" + ", ".join(map(go_syntax, value)) + "}"
    if value is None:
        return "interface {}(nil)"
    return quote(value) if isinstance(value, str) else print_value(value)


_ESCAPES: Final = {
    "\a": r"\a", "\b": r"\b", "\f": r"\f", "\n": r"\n", "\r": r"\r", "\t": r"\t", "\v": r"\v", "\\": "\\\\",
}  # fmt: skip


def quote(text: str, ascii_only: bool = False) -> str:
    """strconv.Quote."""
    if text.isascii() and text.isprintable():
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return '"' + "".join(_quoted(each, '"', ascii_only) for each in text) + '"'


def _quote_rune(character: str) -> str:
    return "'" + _quoted(character, "'", False) + "'"


def _quoted(character: str, mark: str, ascii_only: bool) -> str:
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character == mark:
        return "\\" + mark
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if character.isprintable() and (code < 128 or not ascii_only):
        return character
    if code < 0x20 or code == 0x7F:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def as_valid_text(text: str) -> str:
    """The text with every byte that is no UTF-8 replaced, as encoders of Go do."""
    return (
        text
        if text.isascii()
        else as_text(as_bytes(text)).encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    )
