"""What Kubernetes' CEL has and the library lacks or names otherwise, brought in around the library.

Loops over two variables and the functions of lists come with the library, and are turned on by a configuration. Three
things are spelled anew before compilation, with the same number of characters, so that errors point where they should:
`indexOf` and `lastIndexOf`, which the library has for texts only and lets nobody declare again; `exists_one` over two
variables; and the insertion into a map that `transformMap` expands to, which the library declares but does not run.
"""

import itertools
from collections.abc import Callable, Mapping
from typing import Any, Final

import re2

CONFIGURATION: Final = """
name: kubernetes
extensions:
  - name: two-var-comprehensions
  - name: lists
"""

_OURS: Final = {"indexOf": "index0f", "lastIndexOf": "lastIndex0f"}
_INSERT: Final = ("cel.@mapInsert", "k8s.@mapInsert")
_THEIRS: Final = {_INSERT[1]: _INSERT[0], **{ours: theirs for theirs, ours in _OURS.items()}}
_GAP: Final = r"(?:\s|//[^\n]*\n)*"
_NAME: Final = r"[A-Za-z_]\w*"
_SPELLED: Final = re2.compile(
    r"""(?s)(?P<kept>//[^\n]*|[rRbB]{0,2}(?:\"\"\".*?\"\"\"|'''.*?'''|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'))"""
    + rf"|\b(?P<index>indexOf|lastIndexOf)(?P<call>{_GAP}\()"
    + rf"|\bexists_one(?P<pair>{_GAP}\({_GAP}{_NAME}{_GAP},{_GAP}{_NAME}{_GAP},)"
)


def spelled(expression: str) -> str:
    """The expression as the library takes it."""
    return str(_SPELLED.sub(_respelled, expression))


def _respelled(found: Any) -> str:
    if found["index"]:
        return _OURS[found["index"]] + str(found["call"])
    return f"existsOne {found['pair']}" if found["pair"] else str(found[0])


def told(text: str) -> str:
    """The library's words with the names that were written."""
    for ours, theirs in _THEIRS.items():
        text = text.replace(ours, theirs)
    return text


def kubernetes_name(function: str) -> str:
    """The name of a function as Kubernetes has it."""
    return _THEIRS.get(function, function)


def runnable(environment: Any, program: Any) -> Any:
    """The program with our insertion into a map in place of the one that the library does not run."""
    raw: bytes = program.serialize()
    theirs, ours = (name.encode() for name in _INSERT)
    return environment.deserialize(raw.replace(theirs, ours)) if theirs in raw else program


def overloads(kinds: Any) -> Mapping[str, list[tuple[Any, ...]]]:
    """The functions behind these names: each overload's result, parameters, whether it is a member, what runs.

    A parameter of any type would take no value when it runs, so that there is one overload for each type.
    """
    text, number, items = kinds.STRING, kinds.INT, kinds.List(kinds.DYN)
    mapping = kinds.Map(kinds.DYN, kinds.DYN)
    keys = (kinds.STRING, kinds.INT, kinds.UINT, kinds.BOOL)
    values = (*keys, kinds.DOUBLE, kinds.BYTES, kinds.NULL, kinds.TIMESTAMP, kinds.DURATION, items, mapping)
    insertions = [(mapping, (mapping, key, value), False, _inserted) for key, value in itertools.product(keys, values)]
    return {
        _INSERT[1]: [*insertions, (mapping, (mapping, mapping), False, _inserted_all)],
        _OURS["indexOf"]: _finders(number, text, items, values, _index, _item_index),
        _OURS["lastIndexOf"]: _finders(number, text, items, values, _last_index, _last_item_index),
    }


def _finders(
    number: Any,
    text: Any,
    items: Any,
    values: tuple[Any, ...],
    in_text: Callable[..., int],
    in_list: Callable[..., int],
) -> list[tuple[Any, ...]]:
    of_texts = [(number, (text, text), True, in_text), (number, (text, text, number), True, in_text)]
    return [*of_texts, *((number, (items, value), True, in_list) for value in values)]


def equal(one: Any, other: Any) -> bool:
    """Whether two values of CEL are: true is not 1."""
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _inserted(values: dict[Any, Any], key: Any, value: Any) -> dict[Any, Any]:
    if key in values:
        raise ValueError(f"insert failed: key {key} already exists")
    return {**values, key: value}


def _inserted_all(values: dict[Any, Any], others: dict[Any, Any]) -> dict[Any, Any]:
    for key, value in others.items():
        values = _inserted(values, key, value)
    return values


def _index(text: str, part: str, start: int = 0) -> int:
    if not part:
        return start
    if start < 0:
        raise ValueError(f"index out of range: {start}")
    return text.find(part, start)


def _last_index(text: str, part: str, start: int | None = None) -> int:
    if not part:
        return len(text) if start is None else start
    if start is None:
        return text.rfind(part)
    if start < 0:
        raise ValueError(f"index out of range: {start}")
    return text.rfind(part, 0, start + len(part)) if start < len(text) else -1


def _item_index(items: list[Any], wanted: Any) -> int:
    return next((place for place, item in enumerate(items) if equal(item, wanted)), -1)


def _last_item_index(items: list[Any], wanted: Any) -> int:
    return next((place for place in reversed(range(len(items))) if equal(items[place], wanted)), -1)
