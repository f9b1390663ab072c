"""Reads the protobuf form in which typed clients (kubectl among them) send built-in objects.

Answers are always JSON, which every client takes. The form is that of k8s.io/apimachinery's protobuf serializer: a
magic prefix, an envelope that names the kind, and the object with the field numbers of its published .proto files.
"""

import base64
import functools
import json
import lzma
import struct
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson

from gitops.manifests.key import Body
from gitops.manifests.schema import builtin_kinds

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
_MAGIC = b"k8s\x00"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1."


class ProtobufError(ValueError):
    """The bytes are not such an object."""


@functools.cache
def _messages() -> dict[str, dict[str, tuple[str, str, str]]]:
    data = lzma.decompress(Path(__file__).with_name("protobuf.json.xz").read_bytes())
    messages: dict[str, dict[str, tuple[str, str, str]]] = json.loads(data)
    return messages


def decode(raw: bytes) -> Body:
    """The object as JSON; ProtobufError when it cannot be read."""
    if not raw.startswith(_MAGIC):
        raise ProtobufError("the body does not start as a protobuf object does")
    try:
        envelope = dict(read_fields(raw[4:]))
        head = {number: value.decode() for number, value in read_fields(envelope[1])}
        version, kind = head.get(1, ""), head.get(2, "")
        body = _message(envelope.get(2, b""), _definition(version, kind))
    except (KeyError, IndexError, UnicodeDecodeError, AttributeError, TypeError) as error:
        raise ProtobufError(f"the protobuf object cannot be read: {error}") from error
    return {"kind": kind, "apiVersion": version, **body}


def _definition(version: str, kind: str) -> str:
    group, _, short = version.rpartition("/")
    entry = builtin_kinds().get(f"{group}/{short}/{kind}")
    if entry is not None:
        return entry["type"]
    return _META + kind  # DeleteOptions and its like belong to every group


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = raw[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def read_fields(raw: bytes) -> list[tuple[int, Any]]:
    """The (number, value) pairs of a message: whole numbers as int, the rest as bytes."""
    found: list[tuple[int, Any]] = []
    at = 0
    while at < len(raw):
        tag, at = _varint(raw, at)
        value: Any
        match tag & 7:
            case 0:
                value, at = _varint(raw, at)
            case 1:
                value, at = raw[at : at + 8], at + 8
            case 2:
                length, at = _varint(raw, at)
                if at + length > len(raw):
                    raise ProtobufError("the protobuf object ends too early")
                value, at = raw[at : at + length], at + length
            case 5:
                value, at = raw[at : at + 4], at + 4
            case kind:
                raise ProtobufError(f"unknown wire type {kind}")
        found.append((tag >> 3, value))
    return found


def _message(raw: bytes, name: str) -> Body:
    described = _messages()[name]
    out: Body = {}
    for number, value in read_fields(raw):
        if str(number) not in described:
            continue
        field, kind, form = described[str(number)]
        if form == "list":
            out.setdefault(field, []).append(_value(value, kind))
        elif form == "map":
            entry = dict(read_fields(value))
            out.setdefault(field, {})[entry.get(1, b"").decode()] = _value(entry.get(2, b""), kind)
        elif field in _INLINE_FIELDS or (field == "rule" and name.endswith("RuleWithOperations")):
            out.update(_value(value, kind))
        else:
            out[field] = _value(value, kind)
    return out


# Fields that exist in protobuf only: in JSON their content lies one level up.
_INLINE_FIELDS = frozenset(
    {
        *("localObjectReference", "volumeSource", "persistentVolumeSource", "handler", "ephemeralContainerCommon"),
        *("ruleWithOperations", "ingressRuleValue", "deviceConfiguration"),
    }
)


def _value(value: Any, kind: str) -> Any:
    match kind:
        case "string":
            return value.decode()
        case "bool":
            return bool(value)
        case "int32" | "int64":
            return _signed(value if isinstance(value, int) else 0)
        case "double":
            return struct.unpack("<d", value)[0]
        case "bytes":
            return base64.b64encode(value).decode()
    if kind.endswith(".ExtraValue"):
        return [item.decode() for _, item in read_fields(value)]
    if (special := _SPECIAL.get(kind)) is not None:
        return special(dict(read_fields(value)))
    return _message(value, kind)


def _signed(value: int) -> int:
    return value - (1 << 64) if value >= 1 << 63 else value


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _time(fields: dict[int, Any]) -> str | None:
    if not fields:
        return None
    moment = _EPOCH + timedelta(seconds=_signed(fields.get(1, 0)))
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _micro_time(fields: dict[int, Any]) -> str | None:
    if not fields:
        return None
    moment = _EPOCH + timedelta(seconds=_signed(fields.get(1, 0)), microseconds=fields.get(2, 0) // 1000)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _int_or_string(fields: dict[int, Any]) -> Any:
    return fields.get(3, b"").decode() if fields.get(1, 0) else _signed(fields.get(2, 0))


def _raw_json(fields: dict[int, Any]) -> Any:
    return orjson.loads(fields.get(1, b"null") or b"null")


_APIEXTENSIONS = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1."


def _schema_or_array(fields: dict[int, Any]) -> Any:
    return _message(fields.get(1, b""), _APIEXTENSIONS + "JSONSchemaProps")


def _schema_or_bool(fields: dict[int, Any]) -> Any:
    if 2 in fields:
        return _message(fields[2], _APIEXTENSIONS + "JSONSchemaProps")
    return bool(fields.get(1, 0))


_SPECIAL = {
    _META + "Time": _time,
    _META + "MicroTime": _micro_time,
    _META + "FieldsV1": _raw_json,
    "io.k8s.apimachinery.pkg.api.resource.Quantity": lambda fields: fields.get(1, b"0").decode(),
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": _int_or_string,
    "io.k8s.apimachinery.pkg.runtime.RawExtension": _raw_json,
    _APIEXTENSIONS + "JSON": _raw_json,
    _APIEXTENSIONS + "JSONSchemaPropsOrArray": _schema_or_array,
    _APIEXTENSIONS + "JSONSchemaPropsOrBool": _schema_or_bool,
}
