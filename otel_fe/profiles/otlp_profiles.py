"""Stacks as OTLP profiles (in alpha): each sample links to the trace and the span of its extraction.

Source: https://github.com/open-telemetry/opentelemetry-proto/blob/main/opentelemetry/proto/profiles/v1development/profiles.proto
"""

from __future__ import annotations

import hashlib
from itertools import groupby
from typing import TYPE_CHECKING, Any

from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.profiles.v1development.profiles_pb2 import (
    Function,
    KeyValueAndUnit,
    Line,
    Link,
    Location,
    Mapping,
    Profile,
    ProfilesData,
    ProfilesDictionary,
    ResourceProfiles,
    Sample,
    ScopeProfiles,
    Stack,
    ValueType,
)

from otel_fe import semconv
from otel_fe.version import __version__

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable

    from opentelemetry.proto.resource.v1.resource_pb2 import Resource

    from otel_fe.profiles.stacks import Frame, SlowExtraction


def otlp_profiles(extractions: Iterable[SlowExtraction], process: Resource | None = None) -> ProfilesData:
    """Return the stacks of extractions: one profile of wall time an extraction, as it was measured, without its weight.

    A span's `tracestate` carries its weight.

    Args:
        extractions: Those with the same service lie together in the result.
        process: The resource of all of them, where they are of one process; else each has its service's name alone.
    """
    dictionary = _Dictionary()
    ordered = sorted(extractions, key=lambda one: (one.service, one.start_ns, one.span_id))
    resources = []
    for service, group in groupby(ordered, key=lambda one: one.service):
        scope = ScopeProfiles(profiles=[_profile(one, dictionary) for one in group])
        scope.scope.name, scope.scope.version = semconv.SCOPE_NAME, __version__
        resource = ResourceProfiles(scope_profiles=[scope])
        if process is None:
            resource.resource.attributes.append(_pair(semconv.SERVICE_NAME, service))
        else:
            resource.resource.CopyFrom(process)
        resources.append(resource)
    return ProfilesData(resource_profiles=resources, dictionary=dictionary.tables)


def _profile(extraction: SlowExtraction, dictionary: _Dictionary) -> Profile:
    link = dictionary.link(extraction)
    labels = [(semconv.FEATURE_SET, extraction.feature_set)] if extraction.feature_set else []
    number = f"{extraction.trace_id:032x}{extraction.span_id:016x}".encode()
    profile = Profile(
        sample_type=ValueType(
            type_strindex=dictionary.text("wall"),
            unit_strindex=dictionary.text("nanoseconds"),
        ),
        time_unix_nano=extraction.start_ns,
        duration_nano=extraction.duration_ns,
        profile_id=hashlib.blake2b(number, digest_size=16).digest(),
        attribute_indices=[dictionary.attribute(name, AnyValue(string_value=value)) for name, value in labels],
    )
    for stack in extraction.stacks:
        cause = dictionary.attribute(semconv.BOTTLENECK, AnyValue(string_value=stack.cause))
        profile.samples.append(
            Sample(
                stack_index=dictionary.stack(stack.frames),
                attribute_indices=[cause],
                link_index=link,
                values=[stack.time_ns],
            )
        )
    return profile


def _pair(key: str, text: str) -> KeyValue:
    return KeyValue(key=key, value=AnyValue(string_value=text))


class _Dictionary:
    """The tables that all profiles of a message share. Entry 0 of each is empty and means none."""

    def __init__(self) -> None:
        self.tables = ProfilesDictionary(
            string_table=[""],
            mapping_table=[Mapping()],
            location_table=[Location()],
            function_table=[Function()],
            link_table=[Link()],
            attribute_table=[KeyValueAndUnit()],
            stack_table=[Stack()],
        )
        self._numbers: dict[Hashable, int] = {("text", ""): 0}

    def text(self, text: str) -> int:
        """Return the number of a text."""
        return self._number(("text", text), self.tables.string_table, lambda: text)

    def attribute(self, key: str, value: AnyValue) -> int:
        """Return the number of an attribute."""
        return self._number(
            ("attribute", key, value.SerializeToString(deterministic=True)),
            self.tables.attribute_table,
            lambda: KeyValueAndUnit(key_strindex=self.text(key), value=value),
        )

    def link(self, extraction: SlowExtraction) -> int:
        """Return the number of a link to an extraction's span."""
        trace_id, span_id = extraction.trace_id.to_bytes(16, "big"), extraction.span_id.to_bytes(8, "big")
        return self._number(
            ("link", trace_id, span_id), self.tables.link_table, lambda: Link(trace_id=trace_id, span_id=span_id)
        )

    def stack(self, frames: tuple[Frame, ...]) -> int:
        """Return the number of a stack; the innermost frame is its first."""
        return self._number(
            ("stack", frames),
            self.tables.stack_table,
            lambda: Stack(location_indices=[self._location(frame) for frame in reversed(frames)]),
        )

    def _location(self, frame: Frame) -> int:
        return self._number(
            ("location", frame),
            self.tables.location_table,
            lambda: Location(lines=[Line(function_index=self._function(frame), line=frame.line)]),
        )

    def _function(self, frame: Frame) -> int:
        name = frame.name
        return self._number(
            ("function", name, frame.file),
            self.tables.function_table,
            lambda: Function(name_strindex=self.text(name), filename_strindex=self.text(frame.file)),
        )

    def _number(self, key: Hashable, table: Any, make: Any) -> int:
        number = self._numbers.get(key)
        if number is None:
            made = make()  # which may add to other tables, and not to this one
            number = self._numbers[key] = len(table)
            table.append(made)
        return number
