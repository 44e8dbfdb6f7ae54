"""The identity of a series: the values of a span's dimensions, as a key and as attributes."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any, Final

from otel_fe.config import span_metrics as config
from otel_fe.config.globs import compile_glob

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from otel_fe.config.span_metrics import Dimension, SpanMetrics
    from otel_fe.model.span import Attributes, ScopeView, SpanView, Value

Key = tuple[Any, ...]

_ABSENT: Final = "\udc00"
"""Represents no value: a text that no attribute can have, since it has no UTF-8 encoding."""
_KINDS: Final = (
    *("SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL", "SPAN_KIND_SERVER", "SPAN_KIND_CLIENT"),
    *("SPAN_KIND_PRODUCER", "SPAN_KIND_CONSUMER"),
)
_STATUSES: Final = ("STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR")
_METHOD: Final = "sampling.method"
_SCOPE_NAME: Final = "span.instrumentation.scope.name"
_SCOPE_VERSION: Final = "span.instrumentation.scope.version"


class SpanDimensions:
    """The dimensions of one metric of one resource.

    `key` is called for every span and only reads; `attributes` is called once per series.

    Args:
        settings: Of the connector.
        own: Dimensions of this metric only.
        resource: Attributes to take where a span has none of the name.
        instance_id: The value of `collector.instance.id`.
    """

    __slots__ = (
        "_excluded",
        "_fallbacks",
        "_globs",
        "_instance_id",
        "_resource",
        "_service",
        "_settings",
        "plain_key",
        "unusual",
    )

    def __init__(self, settings: SpanMetrics, own: Sequence[Dimension], resource: Attributes, instance_id: str) -> None:
        wanted = (*settings.dimensions, *own)
        self._settings = settings
        self._resource = resource
        self._instance_id = instance_id
        self._fallbacks = tuple(
            (d.name, resource.get(d.name, _ABSENT if d.default is None else d.default)) for d in wanted if d.name
        )
        self._globs = tuple(compile_glob(d.glob) for d in wanted if d.glob)
        service = resource.get(config.SERVICE_NAME)
        self._service = service if isinstance(service, str) else ""
        self.plain_key = key_function([name for name, _ in self._fallbacks], [value for _, value in self._fallbacks])
        """From a span and its attributes' `get` to its key, where there is nothing unusual."""
        self._excluded = settings.exclude_dimensions
        self.unusual = bool(
            self._excluded or self._globs or settings.sampling_method or settings.resource_key_attributes
        )
        """Whether a key needs more than what `plain_key` makes."""

    @property
    def names(self) -> list[str]:
        """The attributes in the key, beside name, kind and status."""
        return [name for name, _ in self._fallbacks]

    @property
    def fallback_texts(self) -> list[str]:
        """What stands in the key for each of them where a span has none."""
        return [text_of(value) for _, value in self._fallbacks]

    def key(self, span: SpanView, adjusted: int | None) -> Key:
        """Return what the series of a span is found by; equal for two spans that share it.

        `adjusted` is its weight by `tracestate`, if known. Values are compared as texts, as in the Collector:
        1 and "1" are the same.
        """
        key = self.plain_key(span, span.attributes.get)
        return self.unusual_key(key, span, adjusted) if self.unusual else key

    def unusual_key(self, key: Key, span: SpanView, adjusted: int | None) -> Key:
        """Return a key without excluded dimensions, with those of globs, and with what its resources may differ in."""
        excluded = self._excluded
        left = tuple(
            "" if name in excluded else value
            for name, value in zip((config.SPAN_NAME, config.SPAN_KIND, config.STATUS_CODE), key, strict=False)
        )
        found = tuple((name, text_of(value)) for name, value in self._matching(span).items())
        service = "" if config.SERVICE_NAME in excluded else self._service
        return (service, *left, *key[3:], *found, adjusted is not None and self._settings.sampling_method)

    def attributes(self, span: SpanView, scope: ScopeView, *, adjusted: bool) -> dict[str, Value]:
        """Return the attributes of the series that a span begins."""
        found: dict[str, Value] = {
            config.SERVICE_NAME: self._service,
            config.SPAN_NAME: span.name,
            config.SPAN_KIND: _named(_KINDS, span.kind),
            config.STATUS_CODE: _named(_STATUSES, span.status),
            config.COLLECTOR_INSTANCE_ID: self._instance_id,
        }
        for name in self._excluded:
            found.pop(name, None)
        if scope.name and scope.name in self._settings.include_instrumentation_scope:
            found[_SCOPE_NAME] = scope.name
            if scope.version:
                found[_SCOPE_VERSION] = scope.version
        if self._settings.sampling_method:
            found[_METHOD] = "extrapolated" if adjusted else "counted"
        values = {name: span.attributes.get(name, fallback) for name, fallback in self._fallbacks}
        found.update({name: value for name, value in values.items() if value is not _ABSENT})
        found.update(self._matching(span))
        return found

    def _matching(self, span: SpanView) -> dict[str, Value]:
        """Return the attributes whose names match a glob: the span's, then those that only its resource has."""
        if not self._globs:
            return {}
        everything: Mapping[str, Value] = {**self._resource, **span.attributes}
        return {
            name: everything[name]
            for name in (*sorted(span.attributes), *sorted(self._resource.keys() - span.attributes.keys()))
            if any(glob.fullmatch(name) for glob in self._globs)
        }


def key_function(names: Sequence[str], fallbacks: Sequence[Value]) -> Callable[[SpanView, Any], Key]:
    """Return what makes a span's key: its name, kind, status, and the values of the named attributes as texts.

    Written out for just so many and compiled, since it is called for every span: a loop over them takes three times as
    long. `naive_key` in the tests is what it must agree with. Names and values are handed in, never part of the source.
    """
    return _key_functions(len(names))(*names, *fallbacks)


@functools.lru_cache(64)
def _key_functions(count: int) -> Callable[..., Callable[[SpanView, Any], Key]]:
    """Return what makes the key functions of so many attributes: compiled once, since each resource has one of its own."""
    handed_in = ", ".join([*(f"n{i}" for i in range(count)), *(f"f{i}" for i in range(count))])
    values = [f"v if (v := get(n{i}, f{i})).__class__ is str else text(v)" for i in range(count)]
    source = f"lambda {handed_in}: lambda span, get: (span.name, span.kind, span.status, {', '.join(values)})"
    made: Callable[..., Callable[[SpanView, Any], Key]] = eval(source, {"str": str, "text": text_of})  # noqa: S307
    return made


def text_of(value: Value) -> str:
    """Return a value as a text, so that it can be compared with one."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, (int, float)):
        return f"{value:g}" if isinstance(value, float) and value.is_integer() else str(value)
    return json.dumps(value, sort_keys=True, default=text_of)


def _named(names: Sequence[str], number: int) -> str:
    return names[number] if 0 <= number < len(names) else ""
