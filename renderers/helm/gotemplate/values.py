"""Go's values in Python: which type each one stands for, whether it is true, and what a chain of fields finds in it.

| Go | Python |
|---|---|
| nil | None |
| int, int64, uint8 … | int, Int64, Uint8 … |
| float64, bool, string | float, bool, str (bytes that are no UTF-8 as surrogate escapes) |
| map[string]interface {}, []interface {} | dict, list |
| map[string]string, []string, []int … | TypedMap, TypedList |
| everything else | GoObject |
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final, NamedTuple


class Int64(int):
    """An int64: what arithmetic functions give, where a constant and `len` are an int."""


class Int32(int):
    """An int32."""


class Uint64(int):
    """A uint64."""


class Uint8(int):
    """A byte: what indexing a string gives."""


class TypedList(list[Any]):
    """A list whose elements are of one type, such as []string."""

    def __init__(self, element: str, items: Any = (), is_nil: bool = False) -> None:
        super().__init__(items)
        self.element = element
        self.is_nil = is_nil  # the zero value, which JSON and YAML write as null

    @classmethod
    def of_text(cls, items: Any) -> "TypedList":
        """A []string."""
        return cls("string", items)


class TypedMap(dict[str, Any]):
    """A map whose type is not map[string]interface {}; `zero` is what a missing key gives."""

    go_type: ClassVar[str] = "map[string]string"
    zero: ClassVar[Any] = ""

    def copied(self, item: Callable[[Any], Any]) -> "TypedMap":
        """A copy with `item` of each element."""
        return type(self)((key, item(value)) for key, value in self.items())


class NilMap(dict[str, Any]):
    """The nil of type map[string]interface {}: nothing can be put into it."""


class Function(NamedTuple):
    """What a template may call: the types of its parameters as Go names them; the last may end in `...`.

    `any` takes everything; so does `reflect`, which is given NIL_ITEM for a nil that a field holds. One `with_state` is
    given the execution's State first. The function raises FunctionError.
    """

    call: Callable[..., Any]
    parameters: tuple[str, ...] = ()
    variadic: str = ""
    with_state: bool = False


def function(parameters: str, call: Callable[..., Any]) -> Function:
    """`function("int string", trunc)`; a last parameter such as `any...` takes any number of arguments."""
    names = parameters.split()
    if names and names[-1].endswith("..."):
        return Function(call, tuple(names[:-1]), names[-1].removesuffix("..."))
    return Function(call, tuple(names))


class GoObject:
    """A Go value with fields or methods of its own."""

    go_type = "struct {}"
    go_kind = "struct"
    methods: Mapping[str, Function] = {}
    number: int | None = None

    def field(self, name: str) -> Any:
        """The field's value. Raises KeyError where there is none."""
        raise KeyError(name)

    def go_print(self, verb: str) -> str:
        """What `%v` and `%s` print: of a struct without fields, braces."""
        return "{}"

    def is_true(self) -> bool:
        """Whether `if` takes it as true: a struct always is."""
        return True


class _NilItem(GoObject):
    """What `range` gives for a nil that a list or map holds: as a value it is nil, but fields are not looked for."""


NIL_ITEM: Final = _NilItem()


class Struct(GoObject):
    """A struct of named fields, in order."""

    def __init__(self, go_type: str, fields: Mapping[str, Any], kind: str = "struct") -> None:
        self.go_type = go_type
        self.go_kind = kind
        self.fields = dict(fields)

    def field(self, name: str) -> Any:
        return self.fields[name]

    def go_print(self, verb: str) -> str:
        from renderers.helm.gotemplate.printf import print_value

        return "{" + " ".join(print_value(value) for value in self.fields.values()) + "}"


class Bytes(GoObject):
    """A []uint8."""

    go_type = "[]uint8"
    go_kind = "slice"

    def __init__(self, data: bytes) -> None:
        self.data = data

    def go_print(self, verb: str) -> str:
        return as_text(self.data) if verb == "s" else "[" + " ".join(map(str, self.data)) + "]"

    def is_true(self) -> bool:
        return bool(self.data)

    def as_data(self) -> str:
        """As JSON has it."""
        import base64

        return base64.b64encode(self.data).decode()


_TYPES = {
    bool: "bool",
    str: "string",
    int: "int",
    float: "float64",
    Int64: "int64",
    Int32: "int32",
    Uint64: "uint64",
    Uint8: "uint8",
}


def nil_list(element: str = "interface {}") -> TypedList:
    """A nil slice."""
    return TypedList(element, is_nil=True)


def type_of(value: Any) -> str:
    """What `%T` prints."""
    kind = type(value)
    if kind in _TYPES:
        return _TYPES[kind]
    if value is None:
        return "<nil>"
    if isinstance(value, GoObject | TypedMap):
        return value.go_type
    if isinstance(value, TypedList):
        return "[]" + value.element
    if isinstance(value, dict):
        return "map[string]interface {}"
    return "[]interface {}"


def wanted_type(value: Any) -> str:
    """The type in a message about a value of the wrong type: nil is one of interface {}."""
    return "interface {}" if value is None else type_of(value)


def kind_of(value: Any) -> str:
    """What reflect's Kind is called."""
    kind = type(value)
    if kind in _TYPES:
        return _TYPES[kind]
    if value is None:
        return "invalid"
    if isinstance(value, GoObject):
        return value.go_kind
    return "map" if isinstance(value, dict) else "slice"


def is_true(value: Any) -> bool:
    """Whether `if` takes the value as true."""
    if isinstance(value, GoObject):
        return value.is_true()
    return bool(value)


def as_bytes(text: str) -> bytes:
    """A Go string's bytes."""
    return text.encode("utf-8", "surrogateescape")


def as_text(data: bytes) -> str:
    """The string of these bytes."""
    return data.decode("utf-8", "surrogateescape")


_STRAY: Final = re.compile("[\udc80-\udcff]")


def has_stray_bytes(text: str) -> bool:
    """Whether bytes of the text are no characters."""
    return not text.isascii() and _STRAY.search(text) is not None


def whole_text(text: str) -> str:
    """A text that was put together: bytes that make a character now are that character."""
    return as_text(as_bytes(text)) if has_stray_bytes(text) else text


def replaced_bytes(text: str) -> str:
    """The text with each byte that is no character replaced, as Go does in going through it."""
    return text if text.isascii() else _STRAY.sub("\ufffd", whole_text(text))


def byte_length(text: str) -> int:
    """Go's len."""
    return len(text) if text.isascii() else len(as_bytes(text))


def byte_slice(text: str, start: int, end: int | None = None) -> str:
    """Go's text[start:end], by bytes."""
    return text[start:end] if text.isascii() else as_text(as_bytes(text)[start:end])


# ── what functions take ──────────────────────────────────────────────────────────────────────────────────────────

_NAMES = {
    "map": "map[string]interface {}",
    "list": "[]interface {}",
    "float": "float64",
    "time": "time.Time",
    "duration": "time.Duration",
    "cert": "sprig.certificate",
    "algorithm": "sprig.HashAlgorithm",
}


def go_name(kind: str) -> str:
    """The type that a function takes, as Go names it."""
    return _NAMES.get(kind, kind)


_EXACT: dict[str, type] = {"string": str, "int": int, "int64": Int64, "float": float, "bool": bool}


def fits(kind: str, value: Any) -> bool:
    """Whether a value may be given where a function takes `kind`, beside nil."""
    exact = _EXACT.get(kind)
    if exact is not None:
        return type(value) is exact
    if kind == "duration":
        return False
    if kind == "map":
        return isinstance(value, dict) and (not isinstance(value, TypedMap) or value.zero is None)
    if kind == "list":
        return isinstance(value, list) and (not isinstance(value, TypedList) or value.element == "interface {}")
    return isinstance(value, GoObject) and value.go_type == _NAMES[kind]


def mismatch(kind: str, value: Any, is_field: bool) -> str | None:
    """What Go says of `value` given where a function takes `kind`; None where it fits.

    A nil that a field holds is an interface {} that nothing but `any` takes; another may stand for a map or list.
    """
    if kind == "any" or fits(kind, value):
        return None
    expected = go_name(kind)
    if value is None:
        if is_field:
            return f"wrong type for value; expected {expected}; got interface {{}}"
        return None if kind in ("map", "list") else f"invalid value; expected {expected}"
    return f"wrong type for value; expected {expected}; got {type_of(value)}"


def no_value(kind: str) -> Any:
    """What nil is where a function takes `kind`: a map or list with nothing in it."""
    return NilMap() if kind == "map" else [] if kind == "list" else None
