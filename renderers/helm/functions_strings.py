"""Functions of strings, as sprig 3 has them."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final

from renderers.helm.gotemplate.errors import FunctionError
from renderers.helm.gotemplate.printf import print_value
from renderers.helm.gotemplate.quoting import quote
from renderers.helm.gotemplate.state import MAX_TEXT
from renderers.helm.gotemplate.values import (
    Bytes,
    Function,
    TypedList,
    TypedMap,
    as_bytes,
    as_text,
    byte_length,
    byte_slice,
    function,
    has_stray_bytes,
    replaced_bytes,
    whole_text,
)
from renderers.helm.gotemplate.work import DEEP, spend
from renderers.helm.letters import SPACES, is_lower, is_title, is_upper, lower_of, title_of, upper_of
from renderers.helm.word_case import joined_words

_NO_CHARACTERS: Final = "\ufffd" + "".join(map(chr, range(0xDC80, 0xDD00)))


def text_of(value: Any) -> str:
    """sprig's strval."""
    if isinstance(value, Bytes):
        return as_text(value.data)
    return value if type(value) is str else print_value(value)


def texts_of(value: Any) -> list[str]:
    """sprig's strslice: the elements that are not nil, as text."""
    if isinstance(value, list):
        return [text_of(item) for item in value if item is not None]
    return [] if value is None else [text_of(value)]


def bounded(length: int, what: str) -> None:
    """Raises FunctionError for a text beyond all measure."""
    if length > MAX_TEXT:
        raise FunctionError(f"{what}: a text of more than {MAX_TEXT // 2**20} MiB is refused")


def _repeat(count: int, text: str) -> str:
    if count < 0:
        raise FunctionError("strings: negative Repeat count")
    bounded(count * len(text), "repeat")
    return whole_text(text * count)


def _trunc(count: int, text: str) -> str:
    length = byte_length(text)
    if count < 0 and length + count > 0:
        return byte_slice(text, length + count)
    return byte_slice(text, 0, count) if 0 <= count < length else text


def _substr(start: int, end: int, text: str) -> str:
    length = byte_length(text)
    if start < 0:
        if not 0 <= end <= length:
            beyond = f" with length {length}" if end > 0 else ""
            raise FunctionError(f"runtime error: slice bounds out of range [:{end}]{beyond}")
        return byte_slice(text, 0, end)
    if end < 0 or end > length:
        end = length
    if start > end:
        raise FunctionError(f"runtime error: slice bounds out of range [{start}:{end}]")
    return byte_slice(text, start, end)


def indent(spaces: int, text: str) -> str:
    """Every line `spaces` further in, empty ones too."""
    if spaces < 0:
        raise FunctionError("strings: negative Repeat count")
    bounded(spaces * (text.count("\n") + 1) + len(text), "indent")
    pad = " " * spaces
    return pad + text.replace("\n", "\n" + pad)


def _replace(old: str, new: str, text: str) -> str:
    bounded(text.count(old) * len(new) + len(text), "replace")
    return whole_text(text.replace(old, new))


def _quote(*values: Any) -> str:
    return " ".join(quote(text_of(value)) for value in values if value is not None)


def _squote(*values: Any) -> str:
    return " ".join(f"'{print_value(value)}'" for value in values if value is not None)


def _cat(*values: Any) -> str:
    return " ".join(print_value(value) for value in values if value is not None)


def _title(text: str) -> str:
    """Go's strings.Title."""
    pieces, before = [], " "
    for each in replaced_bytes(text):
        inside = before.isalnum() or before == "_" or (ord(before) >= 128 and before not in SPACES)
        pieces.append(each if inside else title_of(each))
        before = each
    return "".join(pieces)


def _untitle(text: str) -> str:
    pieces, before = [], " "
    for each in replaced_bytes(text):
        pieces.append(lower_of(each) if before in SPACES else each)
        before = each
    return "".join(pieces)


def split_text(separator: str, text: str) -> list[str]:
    """Go's strings.Split."""
    spend(DEEP * (text.count(separator) + 1))
    return text.split(separator) if separator else list(text)


def _split(separator: str, text: str) -> TypedMap:
    return TypedMap((f"_{number}", part) for number, part in enumerate(split_text(separator, text)))


def _splitn(separator: str, count: int, text: str) -> TypedMap:
    if count == 0:
        return TypedMap()
    if count < 0:
        return _split(separator, text)
    spend(DEEP * min(count, text.count(separator) + 1))
    parts = text.split(separator, count - 1) if separator else [*text[: count - 1], text[count - 1 :]]
    return TypedMap((f"_{number}", part) for number, part in enumerate(parts))


def _abbrev(width: int, text: str) -> str:
    if width < 4 or byte_length(text) <= width:
        return text
    return byte_slice(text, 0, width - 3) + "..."


def _abbrevboth(left: int, right: int, text: str) -> str:
    length = byte_length(text)
    if right < 4 or (left > 0 and right < 7) or length <= right:
        return text
    left = min(left, length)
    if length - left < right - 3:
        left = length - (right - 3)
    if left <= 4:
        return byte_slice(text, 0, right - 3) + "..."
    if left + right - 3 < length:
        return "..." + _abbrev(right - 3, byte_slice(text, left))
    return "..." + byte_slice(text, length - (right - 3))


def lower(text: str) -> str:
    """strings.ToLower."""
    if text.isascii():
        return text.lower()
    spend(64 * len(text))
    return "".join(map(lower_of, replaced_bytes(text)))


def upper(text: str) -> str:
    """strings.ToUpper."""
    if text.isascii():
        return text.upper()
    spend(64 * len(text))
    return "".join(map(upper_of, replaced_bytes(text)))


def _swapcase(text: str) -> str:
    pieces, before_is_space = [], True
    for each in replaced_bytes(text):
        if is_upper(each) or is_title(each):
            pieces.append(lower_of(each))
        elif is_lower(each):
            pieces.append(title_of(each) if before_is_space else upper_of(each))
        else:
            pieces.append(each)
        before_is_space = each in SPACES
    return "".join(pieces)


def _wrap(width: int, separator: str, text: str, wrap_long: bool) -> str:
    """goutils' WrapCustom, which counts bytes."""
    if not text.isascii():
        packed = _wrapped(width, as_bytes(separator).decode("latin-1"), as_bytes(text).decode("latin-1"), wrap_long)
        return as_text(packed.encode("latin-1"))
    return _wrapped(width, separator, text, wrap_long)


def _wrapped(width: int, separator: str, text: str, wrap_long: bool) -> str:
    width = max(width, 1)
    separator = separator or "\n"
    pieces: list[str] = []
    offset = 0
    while len(text) - offset > width:
        spend(DEEP + len(separator))
        if text[offset] == " ":
            offset += 1
            continue
        space = text.rfind(" ", offset, width + offset + 1)
        if space >= offset:
            pieces += [text[offset:space], separator]
            offset = space + 1
        elif wrap_long:
            pieces += [text[offset : width + offset], separator]
            offset += width
        else:
            space = text.find(" ", width + offset)
            if space < 0:
                pieces.append(text[offset:])
                offset = len(text)
            else:
                pieces += [text[offset:space], separator]
                offset = space + 1
    return "".join([*pieces, text[offset:]])


def _pascal(text: str) -> str:
    """xstrings' ToPascalCase: capitals that follow a capital at the beginning of a word become small."""
    text = replaced_bytes(text)
    start = len(text) - len(text.lstrip("-_" + SPACES))
    if start == len(text):
        return text + text[-1:]  # as xstrings has it
    pieces, before, in_capitals = [text[:start]], upper_of(text[start]), is_upper(text[start])
    for each in text[start + 1 :]:
        if _joins(each) and _joins(before):
            pieces.append(before)
            before = each
            continue
        if _joins(before):
            in_capitals = is_upper(each)
            each = upper_of(each)
        else:
            pieces.append(before)
            in_capitals = in_capitals and is_upper(each)
            each = lower_of(each) if in_capitals else each
        before = each
    return "".join([*pieces, before])


def _joins(each: str) -> bool:
    return each in "-_" or each in SPACES


def _plural(one: str, many: str, count: int) -> str:
    return one if count == 1 else many


def _initials(text: str) -> str:
    """goutils' Initials, which takes every byte for a character."""
    characters = as_bytes(text).decode("latin-1")
    return "".join(each for before, each in pairwise(f" {characters}") if before in SPACES and each not in SPACES)


def _without_space(text: str) -> str:
    """goutils' DeleteWhiteSpace, which takes every byte for a character."""
    characters = as_bytes(text).decode("latin-1")
    kept = "".join(each for each in characters if each not in SPACES)
    return text if kept == characters else kept


def _sorted(value: Any) -> list[str]:
    return sorted(texts_of(value), key=as_bytes) if isinstance(value, list) else [text_of(value)]


def _contains(part: str, text: str) -> bool:
    return part in text


def _bytewise(work: Callable[..., Any]) -> Callable[..., Any]:
    """`work`, whose first text is looked for in others: bytes that are no character may be found within one."""

    def done(part: str, *others: Any) -> Any:
        if not has_stray_bytes(part):
            return work(part, *others)
        seen = (as_bytes(one).decode("latin-1") if isinstance(one, str) else one for one in (part, *others))
        found = work(*seen)
        if isinstance(found, dict):
            return TypedMap((name, _from_bytes(text)) for name, text in found.items())
        return [_from_bytes(text) for text in found] if isinstance(found, list) else _from_bytes(found)

    return done


def _from_bytes(found: Any) -> Any:
    return as_text(found.encode("latin-1")) if isinstance(found, str) else found


def _join(separator: str, value: Any) -> str:
    texts = texts_of(value)
    bounded(len(separator) * len(texts) + sum(map(len, texts)), "join")
    return whole_text(separator.join(texts))


def _trim_text(characters: str, text: str) -> str:
    if has_stray_bytes(characters) or "\ufffd" in characters:  # one such byte is like any other to Go here
        characters += _NO_CHARACTERS
    return text.strip(characters) if characters else text


def _seq(*numbers: int) -> str:
    from renderers.helm.functions_math import until_step, wrapped

    step = 1
    match numbers:
        case (end,):
            start, step = 1, -1 if end < 1 else 1
            turns = until_step(start, wrapped(end + step), step)
        case (start, end):
            step = -1 if end < start else 1
            turns = until_step(start, wrapped(end + step), step)
        case (start, given, end):
            if end < start:
                if given > 0:
                    return ""
                step = -1
            turns = until_step(start, wrapped(end + step), given)
        case _:
            return ""
    return " ".join(map(str, turns))


STRINGS: Final[dict[str, Function]] = {
    "abbrev": function("int string", _abbrev),
    "abbrevboth": function("int int string", _abbrevboth),
    "camelcase": function("string", _pascal),
    "cat": function("any...", _cat),
    "contains": function("string string", _bytewise(_contains)),
    "hasPrefix": function("string string", _bytewise(lambda part, text: text.startswith(part))),
    "hasSuffix": function("string string", _bytewise(lambda part, text: text.endswith(part))),
    "hello": function("", lambda: "Hello!"),
    "indent": function("int string", indent),
    "initials": function("string", _initials),
    "join": function("string any", _join),
    "kebabcase": function("string", lambda text: joined_words("-", text)),
    "lower": function("string", lower),
    "nindent": function("int string", lambda spaces, text: "\n" + indent(spaces, text)),
    "nospace": function("string", _without_space),
    "plural": function("string string int", _plural),
    "quote": function("any...", _quote),
    "repeat": function("int string", _repeat),
    "replace": function("string string string", _bytewise(_replace)),
    "seq": function("int...", _seq),
    "snakecase": function("string", lambda text: joined_words("_", text)),
    "sortAlpha": function("any", lambda value: TypedList.of_text(_sorted(value))),
    "split": function("string string", _bytewise(_split)),
    "splitList": function("string string", lambda *texts: TypedList.of_text(_bytewise(split_text)(*texts))),
    "splitn": function("string int string", _bytewise(_splitn)),
    "squote": function("any...", _squote),
    "substr": function("int int string", _substr),
    "swapcase": function("string", _swapcase),
    "title": function("string", _title),
    "toString": function("any", text_of),
    "toStrings": function("any", lambda value: TypedList.of_text(texts_of(value))),
    "trim": function("string", lambda text: text.strip(SPACES)),
    "trimAll": function("string string", _trim_text),
    "trimPrefix": function("string string", _bytewise(lambda part, text: text.removeprefix(part))),
    "trimSuffix": function("string string", _bytewise(lambda part, text: text.removesuffix(part))),
    "trimall": function("string string", _trim_text),
    "trunc": function("int string", _trunc),
    "untitle": function("string", _untitle),
    "upper": function("string", upper),
    "wrap": function("int string", lambda width, text: _wrap(width, "\n", text, wrap_long=False)),
    "wrapWith": function("int string string", lambda width, by, text: _wrap(width, by, text, wrap_long=True)),
}  # fmt: skip
