"""Checks that the rules of many kinds are made of; each yields what is wrong with one value at one path."""

import ipaddress
import re
from collections.abc import Iterator, Sequence
from typing import Any

from gitops.manifests.key import Body
from gitops.manifests.quantity import parse
from gitops.manifests.typed import same
from gitops.sandbox.selectors import selects
from gitops.sandbox.statuses import FieldError, forbidden_field, invalid, not_supported, required
from gitops.sandbox.validation.metadata import is_label_value, is_qualified_name, validate_labels

Errors = Iterator[FieldError]

NOT_NEGATIVE = "must be greater than or equal to 0"
IMMUTABLE = "field is immutable"


def not_negative(body: Body, *names: str, at: str) -> Errors:
    """Numbers that may be 0 but not less."""
    for name in names:
        value = body.get(name)
        if isinstance(value, int) and value < 0:
            yield invalid(f"{at}.{name}", value, NOT_NEGATIVE)


def one_of(value: Any, supported: Sequence[str], at: str) -> Errors:
    """A word out of a list; absent is fine."""
    if value not in (None, "") and value not in supported:
        yield not_supported(at, value, supported)


def immutable(new: Any, old: Any, at: str) -> Errors:
    """A value that an update may not change."""
    if not same(new, old):
        yield invalid(at, new, IMMUTABLE)


def port_number(value: Any, at: str) -> Errors:
    if not isinstance(value, int) or not 1 <= value <= 65535:
        yield invalid(at, value, "must be between 1 and 65535, inclusive")


def port_name(value: str, at: str) -> Errors:
    """What is wrong with an IANA service name."""
    if len(value) > 15:
        yield invalid(at, value, "must be no more than 15 characters")
    if not re.fullmatch(r"[-a-z0-9]+", value):
        yield invalid(at, value, "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)")
    if not re.search(r"[a-z]", value):
        yield invalid(at, value, "must contain at least one letter (a-z)")
    if "--" in value:
        yield invalid(at, value, "must not contain consecutive hyphens")
    if value.startswith("-") or value.endswith("-"):
        yield invalid(at, value, "must not begin or end with a hyphen")


def port_reference(value: Any, at: str) -> Errors:
    """A port by number or name."""
    yield from port_number(value, at) if isinstance(value, int) else port_name(str(value), at)


_PERCENT = re.compile(r"[0-9]+%")
_PERCENT_TEXT = (
    "a valid percent string must be a numeric string followed by an ending '%' "
    "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"
)


def int_or_percent(value: Any, at: str) -> Errors:
    """A count or a share, not negative."""
    if isinstance(value, str):
        if not _PERCENT.fullmatch(value):
            yield invalid(at, value, _PERCENT_TEXT)
    elif isinstance(value, int) and value < 0:
        yield invalid(at, value, NOT_NEGATIVE)


def at_most_all(value: Any, at: str) -> Errors:
    if isinstance(value, str) and _PERCENT.fullmatch(value) and int(value[:-1]) > 100:
        yield invalid(at, value, "must not be greater than 100%")


def is_zero_amount(value: Any) -> bool:
    return value in (0, "0%", None)


_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")


def label_selector(selector: Body | None, at: str) -> Errors:
    """What is wrong with a LabelSelector."""
    if not selector:
        return
    if labels := selector.get("matchLabels"):
        yield from validate_labels(labels, f"{at}.matchLabels")
    for index, term in enumerate(selector.get("matchExpressions") or ()):
        path = f"{at}.matchExpressions[{index}]"
        operator, values = term.get("operator", ""), term.get("values") or []
        if operator in ("In", "NotIn") and not values:
            yield required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")
        elif operator in ("Exists", "DoesNotExist") and values:
            detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            yield forbidden_field(f"{path}.values", detail)
        elif operator not in _OPERATORS:
            yield invalid(f"{path}.operator", operator, "not a valid selector operator")
        yield from (
            invalid(f"{path}.key", term.get("key", ""), text) for text in is_qualified_name(term.get("key", ""))
        )
        for number, value in enumerate(values):
            yield from (invalid(f"{path}.values[{number}]", value, text) for text in is_label_value(value))


def selector_and_template(spec: Body, kind: str, at: str = "spec") -> Errors:
    """A required selector, and a template whose labels it selects."""
    selector = spec.get("selector")
    if selector is None:
        yield required(f"{at}.selector")
    else:
        yield from label_selector(selector, f"{at}.selector")
        if not selector.get("matchLabels") and not selector.get("matchExpressions"):
            yield invalid(f"{at}.selector", selector, f"empty selector is invalid for {kind}")
    labels = spec["template"]["metadata"].get("labels")
    if selector is None or (_says_something(selector) and not selects(selector, labels or {})):
        yield invalid(f"{at}.template.metadata.labels", labels, "`selector` does not match template `labels`")


def _says_something(selector: Body) -> bool:
    return bool(selector.get("matchLabels") or selector.get("matchExpressions"))


def quantities(amounts: Body | None, at: str) -> Errors:
    """Amounts of resources: none negative."""
    for name, value in (amounts or {}).items():
        if parse(value) < 0:
            yield invalid(f"{at}[{name}]", value, NOT_NEGATIVE)


Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def network_of(text: str) -> Network | None:
    """The network that a text such as 10.0.0.0/8 names, None where it names none."""
    try:
        return ipaddress.ip_network(text, strict=False) if "/" in text else None
    except ValueError:
        return None


def is_strictly_within(part: Network, whole: Network) -> bool:
    """Whether a network of the same family is in another, and smaller."""
    return part.prefixlen > whole.prefixlen and part.network_address in whole
