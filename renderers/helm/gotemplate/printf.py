"""Go's fmt: what `print` and `printf` make of values, with its own messages for what does not fit."""

from typing import Any, Final

from renderers.helm.gotemplate import numbers
from renderers.helm.gotemplate.printf_verbs import Room, Spec
from renderers.helm.gotemplate.values import GoObject, replaced_bytes, type_of, whole_text
from renderers.helm.gotemplate.work import DEEP, spend

_MOST: Final = 1_000_000
_FLAGS: Final = "#0+- "


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
    spend(DEEP * len(value))
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
    return whole_text("".join(pieces))


def sprintln(*values: Any) -> str:
    """fmt.Sprintln."""
    return " ".join(map(print_value, values)) + "\n"


def sprintf(form: str, *values: Any) -> str:
    """fmt.Sprintf. Raises FunctionError where the text would be longer than any chart needs it."""
    spend(1000)
    return _Printer(form, values).run()


class _Printer:
    """Goes through a form; `_next` is the operand that the next verb takes."""

    def __init__(self, form: str, values: tuple[Any, ...]) -> None:
        self._form = form
        self._values = values
        self._at = 0
        self._next = 0
        self._reordered = False
        self._good_index = True
        self._after_index = False
        self._room = Room()

    def run(self) -> str:
        pieces: list[str] = []
        while self._at < len(self._form):
            start = self._form.find("%", self._at)
            if start < 0:
                pieces.append(self._form[self._at :])
                break
            pieces.append(self._form[self._at : start])
            self._at = start + 1
            pieces.append(self._verb())
        if self._next < len(self._values) and not self._reordered:
            plain = Spec("v", frozenset(), None, None, self._room)
            left = self._values[self._next :]
            shown = ["<nil>" if each is None else f"{type_of(each)}={plain.text(each)}" for each in left]
            pieces.append(f"%!(EXTRA {', '.join(shown)})")
        return whole_text("".join(pieces))

    def _verb(self) -> str:
        self._good_index, self._after_index = True, False
        flags = self._flags()
        self._index()
        width, flags, told = self._width(flags)
        precision, more = self._precision()
        told += more
        if not self._after_index:
            self._index()
        if self._at >= len(self._form):
            return told + "%!(NOVERB)"
        verb = replaced_bytes(self._form[self._at])
        self._at += 1
        if verb == "%":
            return told + "%"
        if not self._good_index:
            return f"{told}%!{verb}(BADINDEX)"
        if self._next >= len(self._values):
            return f"{told}%!{verb}(MISSING)"
        self._next += 1
        return told + Spec(verb, flags, width, precision, self._room).text(self._values[self._next - 1])

    def _flags(self) -> frozenset[str]:
        start = self._at
        while self._form[self._at : self._at + 1] and self._form[self._at] in _FLAGS:
            self._at += 1
        return frozenset(self._form[start : self._at])

    def _width(self, flags: frozenset[str]) -> tuple[int | None, frozenset[str], str]:
        """The width, the flags (a negative one is one to the left) and what is wrong with it."""
        if self._form[self._at : self._at + 1] != "*":
            width = self._number()
            if self._after_index and width is not None:
                self._good_index = False
            return width, flags, ""
        self._at += 1
        self._after_index = False
        width = self._operand()
        if width is None:
            return None, flags, "%!(BADWIDTH)"
        return abs(width), flags | {"-"} if width < 0 else flags, ""

    def _precision(self) -> tuple[int | None, str]:
        if self._form[self._at : self._at + 1] != ".":
            return None, ""
        self._at += 1
        if self._after_index:
            self._good_index = False
        self._index()
        if self._form[self._at : self._at + 1] != "*":
            return self._number() or 0, ""
        self._at += 1
        self._after_index = False
        precision = self._operand()
        return (None, "%!(BADPREC)") if precision is None or precision < 0 else (precision, "")

    def _number(self) -> int | None:
        """The digits that stand here; with too many of them, nothing that follows is read."""
        start = self._at
        while self._form[self._at : self._at + 1] in _DIGITS:
            self._at += 1
        if self._at == start:
            return None
        if self._at - start > 7 or int(self._form[start : self._at]) > _MOST:
            self._at = len(self._form)
            return None
        return int(self._form[start : self._at])

    def _operand(self) -> int | None:
        """The operand as a width or precision, if it is one."""
        value = self._values[self._next] if self._next < len(self._values) else None
        self._next += self._next < len(self._values)
        if not isinstance(value, int) or type(value) is bool or abs(value) > _MOST:
            return None
        return int(value)

    def _index(self) -> None:
        """Take `[N]`, the number of the operand to go on with."""
        self._after_index = False
        if self._form[self._at : self._at + 1] != "[":
            return
        self._reordered = True
        end = self._form.find("]", self._at)
        inner = self._form[self._at + 1 : end]
        if end < 0:
            self._good_index = False
            self._at += 1
            return
        self._at = end + 1
        is_number = inner.isascii() and inner.isdecimal() and len(inner) <= 7
        self._after_index = is_number
        if is_number and 0 < int(inner) <= len(self._values):
            self._next = int(inner) - 1
        else:
            self._good_index = False


_DIGITS: Final = frozenset("0123456789")
