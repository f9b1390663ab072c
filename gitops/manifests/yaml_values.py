"""What a scalar of YAML is as a value of JSON, and what a key is, by go-yaml's rules."""

from typing import Any, Final

from gitops.manifests.libyaml import ScalarEvent
from gitops.manifests.yaml_scalars import BOOLEANS_11, NOT_FINITE, NULLS, NUMERIC_START, format_float, number_of

_TAG: Final = "tag:yaml.org,2002:"
# Tags whose text is a value of its own kind; text under any other tag is a string.
_RESOLVED_TAGS: Final = {_TAG + name: name for name in ("bool", "int", "float", "null", "timestamp", "binary")}


class YamlProblem(Exception):
    """What is wrong with a document, and on which of its lines (from 0).

    `go` are go-yaml's own words, which may quote what the document says; "" where those are `message`, or not known.
    """

    def __init__(self, line: int, message: str, go: str = "") -> None:
        super().__init__(message)
        self.line = line
        self.go = go


def is_merge(event: Any) -> bool:
    return type(event) is ScalarEvent and event.value == "<<" and (event.implicit[0] or event.tag == _TAG + "merge")


_PLAIN: Final[dict[str, Any]] = dict.fromkeys(NULLS) | BOOLEANS_11


def scalar_of(event: Any) -> Any:
    """The value of a scalar event."""
    text: str = event.value
    if event.tag is not None:
        return _tagged(event)
    if not event.implicit[0]:
        return text
    if text[:1] in NUMERIC_START:
        number = number_of(text)
        if number is not None:
            return number
        if text in NOT_FINITE:
            raise YamlProblem(event.start_mark.line, f"`{text}` cannot be written as JSON (quote it if text is meant)")
        return text
    return _PLAIN.get(text, text)


def _tagged(event: Any) -> Any:
    """The value of a scalar that says its type itself: `!!int "12"` is 12, `!!int x` is an error."""
    text, line = event.value, event.start_mark.line
    match _RESOLVED_TAGS.get(event.tag):
        case "null":
            if text in NULLS:
                return None
        case "bool":
            if text in BOOLEANS_11:
                return BOOLEANS_11[text]
        case "int" | "float" as wanted:
            number = number_of(text)
            if isinstance(number, int) or (wanted == "float" and number is not None):
                return number
        case "timestamp" | None:
            return text
        case _:
            import base64
            import binascii

            try:
                return base64.b64decode(text.translate(_NO_LINES), validate=True).decode("utf-8", "replace")
            except (binascii.Error, ValueError):
                go = "!!binary value contains invalid base64 data"
                raise YamlProblem(line, "the value is not a !!binary", go) from None
    tag = event.tag.replace(_TAG, "!!")
    raise YamlProblem(line, f"the value is not a {tag}", f"cannot decode {_plain_tag(text)} `{text}` as a {tag}")


def _plain_tag(text: str) -> str:
    """The tag of a text that says none."""
    if text in NULLS:
        return "!!null"
    if text in BOOLEANS_11:
        return "!!bool"
    number = number_of(text)
    return "!!float" if text in NOT_FINITE or isinstance(number, float) else "!!str" if number is None else "!!int"


_NO_LINES: Final = str.maketrans("", "", "\r\n")


def key_text(value: Any, event: Any) -> str:
    """A map's key as JSON has it: text, or the text of a number or boolean."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return format_float(value)
    raise YamlProblem(event.start_mark.line, "a key is text, a number or a boolean (quote it if text is meant)")
