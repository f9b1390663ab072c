"""Health of well-known custom kinds by the rules in `custom_health.rules`, whose head tells their language.

Kinds whose health takes arithmetic over their parts are in `gitops.engine.custom_kinds`.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Any, Final

from gitops.engine.custom_kinds import KINDS
from gitops.manifests.key import Body
from gitops.model.health import Health, HealthWord

Test = Callable[[Body, Any], bool]
_WORDS: Final = {word.value[0]: word for word in HealthWord}
_CONDITION = re.compile(r"(?P<type>[\w./*-]+?)(?:(?P<op>!?=)(?P<status>\w+))?(?::(?P<not>!?)(?P<reasons>[\w|]+))?")
_COMPARE = re.compile(r"(?P<left>[^=!<>~]+?)(?P<op>==|!=|>=|<=|=|>|<|~)(?P<right>.*)")
_CALL = re.compile(r"(count|each|any)\((.*)\)(.*)", re.S)


@dataclass(frozen=True, slots=True)
class _Clause:
    """A word that holds when all tests do; `each` gives the words of an ordered walk over the conditions instead."""

    tests: tuple[Test, ...]
    word: HealthWord | None
    final: bool = False
    each: tuple["_Clause", ...] = ()


_OTHERWISE = _Clause((), HealthWord.UNKNOWN)


def custom_health(group: str, kind: str, body: Body) -> Health | None:
    """The health of `body`, or None where there is no rule for its kind."""
    judge = _judge_of(f"{group}/{kind}")
    if judge is None:
        return None
    word, final = judge(body)
    return Health(word, "" if word is HealthWord.HEALTHY else _message(body), final)


@cache
def _judge_of(name: str) -> Callable[[Body], tuple[HealthWord, bool]] | None:
    """What judges a kind: a function, else the rules; an exact name goes before a pattern."""
    lines = _lines()
    for known in (name, *(pattern for pattern in (*KINDS, *lines) if "*" in pattern and fnmatchcase(name, pattern))):
        if known in KINDS:
            judge = KINDS[known]
            return lambda body: (judge(body), False)
        if known in lines:
            clauses = tuple(_clause(part.strip()) for part in _split(lines[known], ";"))
            return lambda body: _first_word(clauses, body)
    return None


def _first_word(clauses: tuple[_Clause, ...], body: Body) -> tuple[HealthWord, bool]:
    """The word of the first clause that holds, and whether it is for good."""
    held = (_held(clause, body) for clause in clauses)
    found = next((clause for clause in held if clause is not None), _OTHERWISE)
    return found.word or HealthWord.UNKNOWN, found.final


def _held(clause: _Clause, body: Body) -> _Clause | None:
    if clause.each:
        for condition in _conditions(body):
            for inner in clause.each:
                if all(test(body, condition) for test in inner.tests):
                    return inner
        return None
    return clause if all(test(body, None) for test in clause.tests) else None


def _message(body: Body) -> str:
    """What the object says about itself: the message of a condition that is not as it should be, or its own."""
    status = body.get("status") or {}
    told = [found for found in _conditions(body) if found.get("message")]
    bad = next((found for found in told if found.get("status") != "True"), None)
    if bad is not None:
        return str(bad["message"])
    for name in ("message", "failureMessage", "errorDescription", "phase", "state", "health"):
        if isinstance(status.get(name), str) and status[name]:
            return str(status[name])
    return str(told[0]["message"]) if told else "waiting for its controller"


# ── reading the rules ────────────────────────────────────────────────────────────────────────────────────────────


@cache
def _lines() -> dict[str, str]:
    """Kind pattern → the text of its clauses, in the file's order."""
    text = (files("gitops.engine") / "custom_health.rules").read_text()
    found: dict[str, str] = {}
    for line in text.splitlines():
        if line and not line.startswith("#"):
            kinds, _, clauses = line.partition(": ")
            found |= dict.fromkeys(kinds.split(), clauses)
    return found


def _clause(text: str) -> _Clause:
    if text.startswith("each("):
        return _Clause((), None, each=tuple(_clause(part.strip()) for part in _split(text[5:-1], ",")))
    tests, _, word = text.rpartition(" ")
    parts = [part.strip() for part in _split(tests, "&") if part.strip()]
    return _Clause(tuple(_test(part) for part in parts), _WORDS[word[0]], final=word.endswith("!"))


def _split(text: str, mark: str) -> Iterator[str]:
    """Split at `mark` outside of brackets."""
    depth = start = 0
    for place, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if char == mark and depth == 0:
            yield text[start:place]
            start = place + 1
    yield text[start:]


def _test(text: str) -> Test:
    if text.startswith("!"):
        inner = _test(text[1:])
        return lambda body, item: not inner(body, item)
    call = _CALL.fullmatch(text)
    if call:
        return _count_test(call) if call[1] == "count" else _any_test(call[2])
    if text in ("stale", "observed"):
        return _stale if text == "stale" else _observed
    if text.startswith((".", "spec.", "meta.")):
        return _field_test(text)
    return _condition_test(text)


def _count_test(call: "re.Match[str]") -> Test:
    kinds = [_matches_condition(part) for part in call[2].split(",")]
    wanted = int(call[3][1:])

    def test(body: Body, _: Any) -> bool:
        found = sum(any(fits(condition) for fits in kinds) for condition in _conditions(body))
        return found > wanted if call[3][0] == ">" else found == wanted

    return test


def _any_test(text: str) -> Test:
    path, _, tests = text.partition(": ")
    inner = [_item_test(part.strip()) for part in tests.split("&")]

    def test(body: Body, _: Any) -> bool:
        items = _items(_value(path, body, None))
        return any(all(fits(body, item) for fits in inner) for item in items if isinstance(item, dict))

    return test


def _item_test(text: str) -> Test:
    """A test of one item's field: written as a field of a status, but without the leading dot."""
    if text.startswith("!"):
        inner = _item_test(text[1:])
        return lambda body, item: not inner(body, item)
    return _field_test(text if text.startswith("meta.") else "@" + text)


def _field_test(text: str) -> Test:
    compare = _COMPARE.fullmatch(text)
    if compare is None:
        return lambda body, item: _value(text, body, item) not in (None, {})
    left, op, right = compare["left"], compare["op"], compare["right"]
    if op == "~":
        pattern = re.compile(right)
        return lambda body, item: bool(pattern.search(str(_value(left, body, item) or "")))
    if op in ("=", "!="):
        words = {word.strip() for word in right.split("|")}
        return lambda body, item: (_text(_value(left, body, item)) in words) is (op == "=")
    return lambda body, item: _compared(_value(left, body, item), op, _operand(right, left, body, item))


def _operand(text: str, left: str, body: Body, item: Any) -> Any:
    if text.lstrip("-").isdigit():
        return int(text)
    return _value(("@" + text) if left.startswith("@") and not text.startswith("meta.") else text, body, item)


def _compared(left: Any, op: str, right: Any) -> bool:
    if op == "==":
        return bool(left == right)
    left, right = (value if isinstance(value, (int, float)) else 0 for value in (left, right))
    return bool({">": left > right, "<": left < right, ">=": left >= right, "<=": left <= right}[op])


def _condition_test(text: str) -> Test:
    fits = _matches_condition(text)

    def test(body: Body, item: Any) -> bool:
        return fits(item) if item is not None else any(fits(condition) for condition in _conditions(body))

    return test


def _matches_condition(text: str) -> Callable[[Body], bool]:
    parts = _CONDITION.fullmatch(text.strip())
    if parts is None:
        raise ValueError(f"custom_health.rules: {text!r} is no test")
    reasons = set((parts["reasons"] or "").split("|"))

    def fits(condition: Body) -> bool:
        if parts["type"] not in ("*", condition.get("type")):
            return False
        if parts["op"] and (str(condition.get("status")) == parts["status"]) is not (parts["op"] == "="):
            return False
        return parts["reasons"] is None or (condition.get("reason") in reasons) is not bool(parts["not"])

    return fits


# ── looking at the object ────────────────────────────────────────────────────────────────────────────────────────


def _conditions(body: Body) -> list[Body]:
    conditions = (body.get("status") or {}).get("conditions")
    return [found for found in conditions if isinstance(found, dict)] if isinstance(conditions, list) else []


def is_behind(body: Body) -> bool:
    """True while the status tells of an older spec: its controller has not looked at the newest one yet."""
    status = body.get("status")
    seen = status.get("observedGeneration") if isinstance(status, dict) else None
    newest = (body.get("metadata") or {}).get("generation")
    return isinstance(seen, int) and isinstance(newest, int) and seen < newest


def _stale(body: Body, _: Any) -> bool:
    return is_behind(body)


def _observed(body: Body, _: Any) -> bool:
    seen = (body.get("status") or {}).get("observedGeneration")
    return seen is not None and seen == body["metadata"].get("generation")


def _value(path: str, body: Body, item: Any) -> Any:
    """`.x.y` in status, `spec.x`, `meta.x`, `@x` in the item; `#` is a length, `*` every item, `-1` the last."""
    root, steps = _steps(path)
    found: Any = item if root == "@" else body.get({".": "status", "spec": "spec", "meta": "metadata"}[root])
    for step in steps:
        if step == "#":
            found = len(found) if isinstance(found, (list, dict)) else 0
        elif step == "*":
            found = list(_items(found))
        elif step == "-1":
            found = found[-1] if isinstance(found, list) and found else None
        elif isinstance(found, list):
            found = [deeper for one in found if isinstance(one, dict) for deeper in _items(one.get(step))]
        else:
            found = found.get(step) if isinstance(found, dict) else None
    return found


@cache
def _steps(path: str) -> tuple[str, tuple[str, ...]]:
    root = "@" if path.startswith("@") else "." if path.startswith(".") else path.partition(".")[0]
    rest = path[1:] if root in "@." else path.partition(".")[2]
    return root, tuple(quoted or plain for quoted, plain in re.findall(r"\[([^\]]+)\]|([^.\[\]]+)", rest))


def _items(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _text(value: Any) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)
