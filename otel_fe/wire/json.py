"""OTLP in JSON, to and from protobuf.

It is protobuf's own JSON but for three things: trace and span ids are hexadecimal rather than base64, enums are numbers, and
fields that are not known are ignored. protobuf's reader with `ignore_unknown_fields` also ignores a text or a list that
takes the place of a message, and bytes that are no base64: those are refused here, before a sender's data are lost in silence.

Source: opentelemetry.io/docs/specs/otlp, "JSON Protobuf Encoding".
"""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError

from otel_fe.wire.json_items import salvage
from otel_fe.wire.signals import SIGNALS
from otel_fe.wire.wire_error import WireError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_IDS: Final = ("trace_id", "span_id", "parent_span_id", "profile_id")
_HEX: Final = re.compile("(?:[0-9a-fA-F]{2})*")
_BASE64: Final = re.compile("[A-Za-z0-9+/_-]*={0,2}")
_SHOWN: Final = 64
"""Characters of a wrong value in a message."""


class Converted(NamedTuple):
    """A JSON request as protobuf."""

    payload: bytes
    rejected: Mapping[str, int]
    """Items that could not be read, by reason."""


def convert(signal: str, payload: bytes) -> Converted:
    """Return an export request, given in JSON, as protobuf, without the items that cannot be read.

    Args:
        signal: `traces`, `metrics` or `logs`.
        payload: In UTF-8.

    Raises:
        WireError: The text is no JSON, or no item of it can be read; the message says where.
    """
    try:
        return Converted(to_protobuf(signal, payload), {})
    except WireError as error:
        try:
            content = json.loads(payload.decode("utf-8", "surrogateescape"), parse_constant=_NoNumber)
        except (ValueError, RecursionError):
            raise error from None
        found = salvage(signal, content, _encoded)
        if not found.items:
            raise
        return Converted(found.payload, found.rejected)


def to_protobuf(signal: str, payload: bytes) -> bytes:
    """Return an export request, given in JSON, as protobuf.

    Args:
        signal: `traces`, `metrics` or `logs`.
        payload: In UTF-8.

    Raises:
        WireError: The text is no JSON, or no such request; the message says where.
    """
    try:
        content = json.loads(payload.decode(), parse_constant=_refuse)
        if (
            b"\\u" in payload
        ):  # half a surrogate pair is no text, which protobuf notices in some places and not in others
            json.dumps(content, ensure_ascii=False).encode()
    except RecursionError:
        raise WireError("no OTLP/JSON: nested too deep") from None
    except ValueError as error:
        raise WireError(f"no JSON: {error}") from None
    return _parsed(content, SIGNALS[signal].request)


def from_protobuf(signal: str, payload: bytes) -> bytes:
    """Return an encoded export request as JSON.

    Args:
        signal: `traces`, `metrics` or `logs`.
        payload: In protobuf.

    Raises:
        WireError: The bytes are no such request.
    """
    try:
        message = SIGNALS[signal].request.FromString(payload)
    except DecodeError as error:
        raise WireError(f"no request to export {signal}: {error}") from None
    content = json_format.MessageToDict(message, use_integers_for_enums=True)
    _convert_bytes(content, message.DESCRIPTOR, _hex_of)
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()


class _NoNumber(str):
    """`NaN` or an infinity outside of a string, which no field takes."""

    __slots__ = ()


def _encoded(content: object, message: Any) -> bytes:
    """Return a value from JSON as an encoded message.

    Raises:
        UnicodeEncodeError: A text holds half a surrogate pair.
        WireError: The bytes are no such message.
    """
    try:
        json.dumps(content, ensure_ascii=False).encode()
    except RecursionError:
        raise WireError("no OTLP/JSON: nested too deep") from None
    _refuse_constants(content)
    return _parsed(content, message)


def _refuse_constants(content: object) -> None:
    waiting = [content]
    while waiting:
        value = waiting.pop()
        if isinstance(value, _NoNumber):
            raise WireError(f"no OTLP/JSON: {value} is not a number in JSON")
        waiting += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _parsed(content: Any, message: Any) -> bytes:
    _convert_bytes(content, message.DESCRIPTOR, _base64_of)
    try:
        return bytes(json_format.ParseDict(content, message(), ignore_unknown_fields=True).SerializeToString())
    except Exception as error:  # whatever a wrong value makes Python raise in there: an overflow, a missing method
        raise WireError(f"no OTLP/JSON: {error}") from None


def _convert_bytes(content: object, message: Descriptor, convert: Callable[[str, object], str]) -> None:
    """Convert every field of bytes, in place, and check that messages are objects.

    Not recursive: senders decide how deep it is.

    Args:
        content: A message in JSON.
        message: What it is.
        convert: From a field's name and its value to the new value.
    """
    waiting: list[tuple[Any, Any]] = [(content, message)]
    while waiting:
        value, kind = waiting.pop()
        if not isinstance(value, dict):
            raise WireError(f"no OTLP/JSON: {kind.name} is an object, not {type(value).__name__}")
        for name, inner in value.items():
            field = kind.fields_by_camelcase_name.get(name) or kind.fields_by_name.get(name)
            if field is None or inner is None:
                continue
            if field.message_type is not None:
                repeated = _is_repeated(field)
                if repeated and not isinstance(inner, list):
                    raise WireError(f"no OTLP/JSON: {name} is a list, not {type(inner).__name__}")
                waiting += [(item, field.message_type) for item in (inner if repeated else (inner,))]
            elif field.type == FieldDescriptor.TYPE_BYTES:
                value[name] = convert(field.name, inner)


def _is_repeated(field: Any) -> bool:
    """Use the API of this version of protobuf: `label` is deprecated, and older versions have nothing else."""
    found = getattr(field, "is_repeated", None)
    return bool(field.label == FieldDescriptor.LABEL_REPEATED if found is None else found)


def _base64_of(name: str, value: object) -> str:
    if name not in _IDS:
        if isinstance(value, str) and _BASE64.fullmatch(value):
            return value
        raise WireError(f"no OTLP/JSON: {name} is base64, not {_shown(value)}")
    if isinstance(value, str) and _HEX.fullmatch(value):
        return base64.b64encode(bytes.fromhex(value)).decode()
    raise WireError(f"no OTLP/JSON: {name} is hexadecimal, not {_shown(value)}")


def _hex_of(name: str, value: object) -> str:
    return base64.b64decode(str(value)).hex() if name in _IDS else str(value)


def _shown(value: object) -> str:
    return repr(value)[:_SHOWN]


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not a number in JSON; OTLP writes it as a string")
