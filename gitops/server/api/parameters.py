"""The parameters of the API: what is accepted is said once, for who reads a request and for the OpenAPI document."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gitops.server.problems import Problem

MOST_TEXT: Final = 200
_ANY_TEXT: Final = "^[^\\u0000]*$"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a query, or one member of a body; `schema` is JSON Schema, of which the words below are used.

    `type` (string, integer, boolean, array of strings), `enum`, `minimum`, `maximum`, `minLength`, `maxLength`,
    `pattern`, `default`. A list is written with commas in a query. `form` says what the pattern means.
    """

    name: str
    about: str
    schema: Mapping[str, Any]
    required: bool = False
    form: str = ""

    def value_in(self, given: Mapping[str, str]) -> Any:
        """The parameter's value in a query, which has text only. Raises Problem."""
        if self.name not in given:
            return self._absent()
        text = given[self.name]
        match self.schema["type"]:
            case "integer":
                is_number = text.isascii() and text.lstrip("-").isdigit() and len(text) < 16
                return self._checked(int(text) if is_number else text)
            case "boolean":
                return self._checked({"true": True, "false": False}.get(text, text))
            case "array":
                return self._checked([part for part in text.split(",") if part])
        return self._checked(text)

    def member_of(self, given: Mapping[str, Any]) -> Any:
        """The parameter's value in a body. Raises Problem."""
        if self.name not in given:
            return self._absent()
        value = given[self.name]
        is_whole = self.schema["type"] == "integer" and isinstance(value, float) and value.is_integer()
        return self._checked(int(value) if is_whole else value)  # to JSON Schema, 3.0 is a whole number

    def _absent(self) -> Any:
        if self.required:
            raise self._wrong("is required")
        return self.schema.get("default", [] if self.schema["type"] == "array" else None)

    def _checked(self, value: Any) -> Any:
        if not _TYPES[self.schema["type"]](value):
            raise self._wrong(f"expected {_WORDS[self.schema['type']]}")
        for item in value if isinstance(value, list) else [value]:
            self._check_item(item, self.schema.get("items", self.schema))
        return value

    def _check_item(self, item: Any, schema: Mapping[str, Any]) -> None:
        if "enum" in schema and item not in schema["enum"]:
            raise self._wrong(f"expected one of {', '.join(schema['enum'])}")
        if isinstance(item, str) and not schema.get("minLength", 0) <= len(item) <= schema.get("maxLength", MOST_TEXT):
            raise self._wrong(
                f"expected {schema.get('minLength', 0)} to {schema.get('maxLength', MOST_TEXT)} characters"
            )
        if isinstance(item, str) and not re.fullmatch(schema.get("pattern", _ANY_TEXT), item):
            raise self._wrong(self.form or "has a character that no name has")
        is_number = isinstance(item, int) and not isinstance(item, bool)
        if is_number and not schema.get("minimum", item) <= item <= schema.get("maximum", item):
            raise self._wrong(f"expected {schema.get('minimum', '')} to {schema.get('maximum', '')}")

    def _wrong(self, why: str) -> Problem:
        return Problem(400, "Not understood", f"{self.name}: {why}")


_TYPES: Final[Mapping[str, Callable[[Any], bool]]] = {
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "boolean": lambda value: isinstance(value, bool),
    "array": lambda value: isinstance(value, list) and len(value) <= 20 and all(isinstance(one, str) for one in value),
}
_WORDS: Final = {"string": "text", "integer": "a whole number", "boolean": "true or false", "array": "a list of words"}


def text(
    name: str,
    about: str,
    *,
    required: bool = False,
    least: int = 0,
    most: int = MOST_TEXT,
    form: tuple[str, str] = ("", ""),
) -> Parameter:
    """`form` is a pattern, and what is said of what has another form."""
    schema = {"type": "string", "minLength": least, "maxLength": most, "pattern": form[0] or _ANY_TEXT}
    return Parameter(name, about, schema, required, form[1])


def number(name: str, about: str, least: int, most: int, default: int | None = None) -> Parameter:
    schema = {"type": "integer", "minimum": least, "maximum": most}
    return Parameter(name, about, schema if default is None else {**schema, "default": default})


def flag(name: str, about: str) -> Parameter:
    return Parameter(name, about, {"type": "boolean", "default": False})


def choice(name: str, about: str, words: tuple[str, ...], default: str) -> Parameter:
    return Parameter(name, about, {"type": "string", "enum": list(words), "default": default})


def choices(name: str, about: str, words: tuple[str, ...]) -> Parameter:
    items = {"type": "string", "enum": list(words)}
    return Parameter(name, about, {"type": "array", "items": items, "maxItems": 20, "default": []})


def read_query(parameters: tuple[Parameter, ...], given: Mapping[str, str]) -> dict[str, Any]:
    """The values of a query. Raises Problem, also for a parameter that there is not."""
    unknown = [name for name in given if name not in {one.name for one in parameters}]
    if unknown:
        known = ", ".join(one.name for one in parameters) or "none"
        raise Problem(400, "Not understood", f"{unknown[0][:60]}: there is no such parameter (there are: {known})")
    return {one.name: one.value_in(given) for one in parameters}


def read_body(parameters: tuple[Parameter, ...], given: Any) -> dict[str, Any]:
    """The members of a body. Raises Problem."""
    if not isinstance(given, dict):
        raise Problem(400, "Not understood", "the body: expected a JSON object")
    unknown = [str(name) for name in given if name not in {one.name for one in parameters}]
    if unknown:
        known = ", ".join(one.name for one in parameters) or "none"
        raise Problem(400, "Not understood", f"{unknown[0][:60]}: there is no such member (there are: {known})")
    return {one.name: one.member_of(given) for one in parameters}
