"""Values that ConfigMaps and Secrets of the cluster hold. What those hold is never in a message."""

import base64
import binascii
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from gitops.model.errors import RenderError
from renderers.helm.chart_load import read_values
from renderers.helm.chart_values import merge_maps
from renderers.helm.circumstances import current
from renderers.helm.set_values import escaped, set_text, set_typed
from renderers.result import Context, Look

if TYPE_CHECKING:
    from gitops.model.helm_options import ValuesFrom

_QUOTES: Final = "'\""
_SPECIAL: Final = re.compile(r"[\\,\[\]{}]")


def with_cluster_values(own: dict[str, Any], wanted: "Sequence[ValuesFrom]", context: Context) -> dict[str, Any]:
    """What each of `wanted` says, the later the stronger, under `own`, which is changed by it.

    One with a target path is put into all that is known by then, `own` included: it is stronger than that, but for a
    name at the top that `own` has too. The rule is that of fluxcd/pkg chartutil 2026, which puts it into maps that its
    result and `own` share. Raises RenderError where one is missing, or holds something else; and for a render without a
    cluster.
    """
    values: dict[str, Any] = {}
    for one in wanted:
        where = f"helm.valuesFrom: {one.kind} {context.home}/{one.name}"
        try:
            body = context.held(Look("v1", one.kind, context.home, one.name), where)
        except KeyError:
            current().look("v1", one.kind, context.home, one.name)  # which asks for it
            continue
        data = _data(body or {}, one.kind, one.key)
        if data is None and not one.optional:
            raise RenderError(f"{where}: {'has no key ' + one.key if body else 'is not there'}")
        if data is not None:
            values = _added(values, own, data, one, where)
    return merge_maps(values, own)


def _added(values: dict[str, Any], own: dict[str, Any], data: bytes, one: "ValuesFrom", where: str) -> dict[str, Any]:
    try:
        if not one.targetPath:
            return merge_maps(values, read_values(data, where))
        values = merge_maps(values, own)
        _set(values, one, data.decode("utf-8", "surrogateescape"))
    except RenderError:
        wanted = f"cannot be set as {one.targetPath}" if one.targetPath else "is no YAML map of values"
        raise RenderError(f"{where}: what its key {one.key} holds {wanted}") from None
    return values


def _set(values: dict[str, Any], one: "ValuesFrom", text: str) -> None:
    if one.targetValue == "text":
        set_text(f"{one.targetPath}={_SPECIAL.sub(_escape, text)}", values)
    elif one.targetValue == "typed":
        set_typed(f"{one.targetPath}={escaped(text)}", values)
    elif any(text.startswith(quote) and text.endswith(quote) for quote in _QUOTES):
        set_text(f"{one.targetPath}={text.strip(_QUOTES)}", values)
    else:
        set_typed(f"{one.targetPath}={text}", values)


def _escape(found: re.Match[str]) -> str:
    return "\\" + found.group()


def _data(body: dict[str, Any], kind: str, key: str) -> bytes | None:
    """What a key holds; None where there is none."""
    data = body.get("data")
    text = data.get(key) if isinstance(data, dict) else None
    if not isinstance(text, str):
        return None
    if kind == "ConfigMap":
        return text.encode("utf-8", "surrogateescape")
    try:
        return base64.b64decode(text)
    except (binascii.Error, ValueError):
        return None
