"""Stacks as a gzipped `profile.proto`, for `go tool pprof`, Pyroscope and Grafana.

Source: https://github.com/google/pprof/blob/main/proto/profile.proto
"""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING, Any, Final

from google.protobuf import descriptor_pb2

from otel_fe.model.protobuf import MessageField, build_messages

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from otel_fe.profiles.stacks import Frame, SlowExtraction

_Proto: Final = descriptor_pb2.FieldDescriptorProto
_INT64: Final = _Proto.TYPE_INT64
_UINT64: Final = _Proto.TYPE_UINT64

_DECLARED: Final[Mapping[str, Sequence[MessageField]]] = {
    "Profile": (
        MessageField(1, "sample_type", "ValueType", repeated=True),
        MessageField(2, "sample", "Sample", repeated=True),
        MessageField(4, "location", "Location", repeated=True),
        MessageField(5, "function", "Function", repeated=True),
        MessageField(6, "string_table", _Proto.TYPE_STRING, repeated=True),
        MessageField(9, "time_nanos", _INT64),
        MessageField(10, "duration_nanos", _INT64),
        MessageField(14, "default_sample_type", _INT64),
    ),
    "ValueType": (MessageField(1, "type", _INT64), MessageField(2, "unit", _INT64)),
    "Sample": (
        MessageField(1, "location_id", _UINT64, repeated=True),
        MessageField(2, "value", _INT64, repeated=True),
        MessageField(3, "label", "Label", repeated=True),
    ),
    "Label": (MessageField(1, "key", _INT64), MessageField(2, "str", _INT64)),
    "Location": (MessageField(1, "id", _UINT64), MessageField(4, "line", "Line", repeated=True)),
    "Line": (MessageField(1, "function_id", _UINT64), MessageField(2, "line", _INT64)),
    "Function": (MessageField(1, "id", _UINT64), MessageField(2, "name", _INT64), MessageField(4, "filename", _INT64)),
}
_MESSAGES: Final = build_messages("otel_fe.pprof", _DECLARED)
Profile: Final[Any] = _MESSAGES["Profile"]


def pprof(extractions: Iterable[SlowExtraction]) -> bytes:
    """Return the stacks of extractions as a gzipped profile of wall time, by weight.

    Samples have the labels `cause`, `service`, `feature_set`, `trace_id` and `span_id`.
    """
    writer = _Writer()
    since: int | None = None
    until = 0
    for extraction in extractions:
        since = extraction.start_ns if since is None else min(since, extraction.start_ns)
        until = max(until, extraction.start_ns + extraction.duration_ns)
        writer.add(extraction)
    profile = writer.profile
    profile.time_nanos, profile.duration_nanos = since or 0, until - (since or 0)
    return gzip.compress(profile.SerializeToString(deterministic=True), mtime=0)


class _Writer:
    """A profile in the making, and the numbers of its texts, functions and locations."""

    def __init__(self) -> None:
        self.profile = Profile(string_table=[""])
        self._texts = {"": 0}
        self._functions: dict[tuple[str, str], int] = {}
        self._locations: dict[Frame, int] = {}
        self.profile.sample_type.add(type=self._text("wall"), unit=self._text("nanoseconds"))
        self.profile.default_sample_type = self._text("wall")

    def add(self, extraction: SlowExtraction) -> None:
        """Add the stacks of an extraction."""
        labels = {
            "service": extraction.service,
            "feature_set": extraction.feature_set,
            "trace_id": f"{extraction.trace_id:032x}",
            "span_id": f"{extraction.span_id:016x}",
        }
        for stack in extraction.stacks:
            sample = self.profile.sample.add(
                location_id=[self._location(frame) for frame in reversed(stack.frames)],  # the innermost first
                value=[round(stack.time_ns * extraction.weight)],
            )
            for key, value in {"cause": stack.cause, **labels}.items():
                if value:
                    sample.label.add(key=self._text(key), str=self._text(value))

    def _text(self, text: str) -> int:
        number = self._texts.get(text)
        if number is None:
            number = self._texts[text] = len(self._texts)
            self.profile.string_table.append(text)
        return number

    def _location(self, frame: Frame) -> int:
        number = self._locations.get(frame)
        if number is None:
            number = self._locations[frame] = len(self._locations) + 1
            location = self.profile.location.add(id=number)
            location.line.add(function_id=self._function(frame), line=frame.line)
        return number

    def _function(self, frame: Frame) -> int:
        name = frame.name
        number = self._functions.get((name, frame.file))
        if number is None:
            number = self._functions[name, frame.file] = len(self._functions) + 1
            self.profile.function.add(id=number, name=self._text(name), filename=self._text(frame.file))
        return number
