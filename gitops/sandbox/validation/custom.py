"""Custom objects against their CRD's schema: types, bounds, lists, and CEL rules, with an API server's texts."""

import ipaddress
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import re2

from gitops.manifests.cel import CelError, evaluate, is_beyond
from gitops.manifests.key import Body
from gitops.manifests.typed import same
from gitops.sandbox.statuses import (
    FieldError,
    duplicate,
    invalid,
    not_supported,
    required,
    too_long,
    too_many,
    type_invalid,
)

# Errors after which CEL rules are not looked at: the object is not what the rules expect.
_BLOCKING = frozenset(
    {"FieldValueRequired", "FieldValueTypeInvalid", "FieldValueTooLong", "FieldValueTooMany", "FieldValueNotSupported"}
)
_NOT_CHECKED = FieldError(
    "FieldValueInvalid",
    "<nil>",
    "Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation",
)


def validate_custom(schema: Body | None, body: Body, old: Body | None) -> list[FieldError]:
    """Everything wrong with a custom object, or with its next version."""
    if not schema:
        return []
    content = {name: value for name, value in body.items() if name not in ("apiVersion", "kind", "metadata")}
    errors = list(_errors(content, schema, ""))
    errors.extend(_list_errors(content, schema, ""))
    if _has_rules(schema):
        if any(error.reason in _BLOCKING for error in errors):
            errors.append(_NOT_CHECKED)
        else:
            errors.extend(_rule_errors(body, old, {**schema, "x-kubernetes-embedded-resource": True}, ""))
    return errors


# --- structure ----------------------------------------------------------------------------------------------------


def _errors(value: Any, schema: Body, at: str) -> Iterator[FieldError]:
    if value is None and (schema.get("nullable") or not schema.get("type")):
        return
    kind = schema.get("type")
    if schema.get("x-kubernetes-int-or-string"):
        if not isinstance(value, str) and not _is_integer(value):
            yield _wrong_type(value, "integer,string", at)
            return
    elif kind and not _is_of(value, kind):
        yield _wrong_type(value, kind, at)
        return
    if "enum" in schema and not any(same(value, allowed) for allowed in schema["enum"]):
        yield not_supported(at, value, [str(allowed) for allowed in schema["enum"]])
    if isinstance(value, dict):
        yield from _object_errors(value, schema, at)
    elif isinstance(value, list):
        yield from _array_errors(value, schema, at)
    elif isinstance(value, str):
        yield from _string_errors(value, schema, at)
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield from _number_errors(value, schema, at)
    yield from _combined_errors(value, schema, at)


def _is_integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_of(value: Any, kind: str) -> bool:
    match kind:
        case "object":
            return isinstance(value, dict)
        case "array":
            return isinstance(value, list)
        case "string":
            return isinstance(value, str)
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return _is_integer(value) or (isinstance(value, float) and value.is_integer())
        case _:
            return isinstance(value, int | float) and not isinstance(value, bool)


def _json_type(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "boolean"
    return {str: "string", int: "integer", float: "number", dict: "object", list: "array"}[type(value)]


def _in_body(at: str) -> str:
    return f"{at} in body" if at else "in body"


def _wrong_type(value: Any, wanted: str, at: str) -> FieldError:
    found = _json_type(value)
    return type_invalid(at or "<nil>", found, f'{_in_body(at)} must be of type {wanted}: "{found}"')


def _object_errors(value: Body, schema: Body, at: str) -> Iterator[FieldError]:
    for name in schema.get("required") or ():
        if name not in value:
            yield required(f"{at}.{name}" if at else name)
    if (most := schema.get("maxProperties")) is not None and len(value) > most:
        yield too_many(at, len(value), most)
    if (least := schema.get("minProperties")) is not None and len(value) < least:
        yield invalid(at, value, f"{_in_body(at)} should have at least {least} properties")
    properties, extra = schema.get("properties") or {}, schema.get("additionalProperties")
    for name, child in value.items():
        path = f"{at}.{name}" if at else name
        if name in properties:
            yield from _errors(child, properties[name], path)
        elif isinstance(extra, dict):
            yield from _errors(child, extra, path)


def _array_errors(value: list[Any], schema: Body, at: str) -> Iterator[FieldError]:
    if (most := schema.get("maxItems")) is not None and len(value) > most:
        yield too_many(at, len(value), most)
    if (least := schema.get("minItems")) is not None and len(value) < least:
        yield invalid(at, len(value), f"{_in_body(at)} should have at least {least} items")
    if items := schema.get("items"):
        for index, item in enumerate(value):
            yield from _errors(item, items, f"{at}[{index}]")


def _string_errors(value: str, schema: Body, at: str) -> Iterator[FieldError]:
    if (most := schema.get("maxLength")) is not None and len(value) > most:
        yield too_long(at, most)
    if (least := schema.get("minLength")) is not None and len(value) < least:
        yield invalid(at, value, f"{_in_body(at)} should be at least {least} chars long")
    if (pattern := schema.get("pattern")) and not re2.search(pattern, value):
        yield invalid(at, value, f"{_in_body(at)} should match '{pattern}'")
    form = schema.get("format")
    if form in _FORMATS and not _FORMATS[form](value):
        yield invalid(at, value, f'{_in_body(at)} must be of type {form}: "{value}"')


def _is_datetime(value: str) -> bool:
    try:
        datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError:
        return False
    return "T" in value.upper()


def _is_date(value: str) -> bool:
    try:
        datetime.strptime(value, "%Y-%m-%d")
    except ValueError:
        return False
    return True


def _parses(parse: Any) -> Any:
    def holds(value: str) -> bool:
        try:
            parse(value)
        except ValueError:
            return False
        return True

    return holds


_FORMATS: dict[str, Any] = {
    "date-time": _is_datetime,
    "date": _is_date,
    "email": re.compile(r"[^@\s]+@[^@\s]+").fullmatch,
    "hostname": re.compile(r"[A-Za-z0-9]([-A-Za-z0-9.]*[A-Za-z0-9])?").fullmatch,
    "uuid": re.compile(r"(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}").fullmatch,
    "ipv4": _parses(ipaddress.IPv4Address),
    "ipv6": _parses(ipaddress.IPv6Address),
    "cidr": _parses(ipaddress.ip_interface),
    "duration": re.compile(r"[-+]?(\d+(\.\d+)?(ns|us|µs|ms|s|m|h|d|w))+|0").fullmatch,
    "uri": re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:.*").fullmatch,
}


def _number_errors(value: int | float, schema: Body, at: str) -> Iterator[FieldError]:
    most, least, step = schema.get("maximum"), schema.get("minimum"), schema.get("multipleOf")
    if most is not None and (value > most or (schema.get("exclusiveMaximum") and value == most)):
        word = "less than" if schema.get("exclusiveMaximum") else "less than or equal to"
        yield invalid(at, value, f"{_in_body(at)} should be {word} {_number(most)}")
    if least is not None and (value < least or (schema.get("exclusiveMinimum") and value == least)):
        word = "greater than" if schema.get("exclusiveMinimum") else "greater than or equal to"
        yield invalid(at, value, f"{_in_body(at)} should be {word} {_number(least)}")
    if step and value % step:
        yield invalid(at, value, f"{_in_body(at)} should be a multiple of {_number(step)}")
    bounds = {"int32": 2**31, "int64": 2**63}.get(schema.get("format", ""))
    if bounds and not -bounds <= value < bounds:
        yield invalid(at, value, f'{_in_body(at)} must be of type {schema["format"]}: "{value}"')


def _number(value: int | float) -> str:
    return str(int(value)) if float(value).is_integer() else str(value)


def _combined_errors(value: Any, schema: Body, at: str) -> Iterator[FieldError]:
    for part in schema.get("allOf") or ():
        yield from _errors(value, part, at)
    if "anyOf" in schema and not any(not list(_errors(value, part, at)) for part in schema["anyOf"]):
        yield invalid(at or "<nil>", value if at else None, f"{_in_body(at)} must validate at least one schema (anyOf)")
    if "oneOf" in schema:
        fitting = sum(not list(_errors(value, part, at)) for part in schema["oneOf"])
        if fitting != 1:
            count = "none" if not fitting else f"{fitting} schemas"
            text = f"{_in_body(at)} must validate one and only one schema (oneOf). Found {count} valid"
            yield invalid(at or "<nil>", value if at else None, text)
    if "not" in schema and not list(_errors(value, schema["not"], at)):
        yield invalid(at or "<nil>", value if at else None, f"{_in_body(at)} must not validate the schema (not)")


# --- list maps and sets -------------------------------------------------------------------------------------------


def _list_errors(value: Any, schema: Body, at: str) -> Iterator[FieldError]:
    if isinstance(value, dict):
        properties, extra = schema.get("properties") or {}, schema.get("additionalProperties")
        for name, child in value.items():
            inner = properties.get(name) or (extra if isinstance(extra, dict) else None)
            if inner:
                yield from _list_errors(child, inner, f"{at}.{name}" if at else name)
    elif isinstance(value, list):
        kind = schema.get("x-kubernetes-list-type")
        seen: list[Any] = []
        for index, item in enumerate(value):
            shown = item
            if kind == "map" and isinstance(item, dict):
                shown = {key: item[key] for key in schema.get("x-kubernetes-list-map-keys") or () if key in item}
            if kind in ("map", "set"):
                if any(same(shown, other) for other in seen):
                    yield duplicate(f"{at}[{index}]", shown)
                seen.append(shown)
            if items := schema.get("items"):
                yield from _list_errors(item, items, f"{at}[{index}]")


# --- CEL ----------------------------------------------------------------------------------------------------------


def _has_rules(schema: Any) -> bool:
    if isinstance(schema, dict):
        return "x-kubernetes-validations" in schema or any(_has_rules(child) for child in schema.values())
    return isinstance(schema, list) and any(_has_rules(item) for item in schema)


_REASONS = {
    "FieldValueInvalid": "FieldValueInvalid",
    "FieldValueForbidden": "FieldValueForbidden",
    "FieldValueRequired": "FieldValueRequired",
    "FieldValueDuplicate": "FieldValueDuplicate",
}


def _rule_errors(value: Any, old: Any, schema: Body, at: str) -> Iterator[FieldError]:
    for rule in schema.get("x-kubernetes-validations") or ():
        yield from _one_rule(_visible(value, schema), _visible(old, schema), rule, at)
    if isinstance(value, dict):
        properties, extra = schema.get("properties") or {}, schema.get("additionalProperties")
        before = old if isinstance(old, dict) else {}
        for name, child in value.items():
            inner = properties.get(name) or (extra if isinstance(extra, dict) else None)
            if inner and child is not None:
                path = (f"{at}.{name}" if at else name) if name in properties else f"{at}[{name}]"
                yield from _rule_errors(child, before.get(name), inner, path)
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        keys = schema.get("x-kubernetes-list-map-keys") or ()
        for index, item in enumerate(value):
            yield from _rule_errors(item, _counterpart(item, old, keys), schema["items"], f"{at}[{index}]")


def _visible(value: Any, schema: Body) -> Any:
    """What a rule sees of a value: nothing that is kept though no schema tells of it."""
    if isinstance(value, dict):
        properties, extra = schema.get("properties") or {}, schema.get("additionalProperties")
        if schema.get("x-kubernetes-embedded-resource"):
            properties = {**properties, "apiVersion": {}, "kind": {}, "metadata": _METADATA}
        known = {name: properties.get(name, extra) for name in value if name in properties or isinstance(extra, dict)}
        return {name: _visible(value[name], inner or {}) for name, inner in known.items()}
    if isinstance(value, list) and isinstance(schema.get("items"), dict):
        return [_visible(item, schema["items"]) for item in value]
    return value


_METADATA: Body = {"properties": {"name": {}, "generateName": {}}}


def _counterpart(item: Any, old: Any, keys: Any) -> Any:
    """The item of the old list with the same keys; only list maps have any."""
    if not keys or not isinstance(old, list) or not isinstance(item, dict):
        return None
    wanted = [item.get(key) for key in keys]
    return next((other for other in old if [other.get(key) for key in keys] == wanted), None)


def _one_rule(value: Any, old: Any, rule: Body, at: str) -> Iterator[FieldError]:
    text, variables = rule["rule"], {"self": value}
    if rule.get("optionalOldSelf"):
        variables |= {"known": old is not None, "before": old}
    elif re.search(r"\boldSelf\b", text):
        if old is None:
            return
        variables["oldSelf"] = old
    path = at + rule.get("fieldPath", "")
    try:
        holds = _evaluated(text, rule, variables)
    except CelError as error:
        if is_beyond(text):
            return  # it may well hold in a cluster that has the function
        yield FieldError(
            "FieldValueInvalid", path or "<nil>", f"Invalid value: {error} evaluating rule: {rule.get('message', text)}"
        )
        return
    if not holds:
        yield _failed(rule, variables, path)


def _evaluated(expression: str, rule: Body, variables: Body) -> Any:
    """The expression's value; an old value that may be absent is an optional, which only an expression can make."""
    if rule.get("optionalOldSelf"):
        optional = "[known ? optional.of(before) : optional.none()]"
        return evaluate(f"{optional}.map(oldSelf, {expression}\n)[0]", variables)
    return evaluate(expression, variables)


def _failed(rule: Body, variables: Body, path: str) -> FieldError:
    message = rule.get("message") or f"failed rule: {rule['rule'].strip()}"
    if expression := rule.get("messageExpression"):
        try:
            message = str(_evaluated(expression, rule, variables))
        except CelError:
            message = rule.get("message") or message
    reason = _REASONS.get(rule.get("reason", ""), "FieldValueInvalid")
    words = {
        "FieldValueForbidden": "Forbidden",
        "FieldValueRequired": "Required value",
        "FieldValueDuplicate": "Duplicate value",
    }
    return FieldError(reason, path.lstrip(".") or "<nil>", f"{words.get(reason, 'Invalid value')}: {message}")
