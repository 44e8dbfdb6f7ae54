"""The keys of each type of sampling policy in the Collector v0.160: one table a type.

A policy's keys are in a block named after its type (`type: latency`, `latency: {threshold_ms: 100}`). Policies that hold
other policies are in `tail_sampling.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from otel_fe.config import kinds, policies
from otel_fe.config.document import Scalar, Sequence
from otel_fe.config.reading import Check, Fields, Key, Place, Refused, Section
from otel_fe.model.randomness import DEFAULT_SALT
from otel_fe.model.re2 import compile_re2

if TYPE_CHECKING:
    from otel_fe.config.ottl import Condition
    from otel_fe.config.reading import Kind

STATUS_CODES: Final = {"UNSET": 0, "OK": 1, "ERROR": 2}
"""Status codes by their name in files, in capitals, with OTLP's numbers."""
DEFAULT_CACHE_SIZE: Final = 128
"""Default of `cache_max_size`, also where that is 0."""
LONGEST_ENTRY: Final = 255
"""Characters of a key and a value of `tracestate`, which the Collector compares; it never matches longer ones."""


def _latency(fields: Fields) -> None:
    upper = fields.get("upper_threshold_ms", 0)
    _one_of(fields, "threshold_ms", "upper_threshold_ms")
    if 0 < upper <= fields.values.setdefault("threshold_ms", 0):
        fields.problem("upper_threshold_ms", "use a value above threshold_ms, or 0 for no upper bound")


def _span_count(fields: Fields) -> None:
    most = fields.get("max_spans", 0)
    _one_of(fields, "min_spans", "max_spans")
    if 0 < most < fields.values.setdefault("min_spans", 0):
        fields.problem("max_spans", "use at least min_spans, or 0 for no upper bound")


def _one_of(fields: Fields, *keys: str) -> None:
    if not any(key in fields.places for key in keys):
        fields.section.problem(f"give {' or '.join(keys)}", value=False)


def _bound(place: Place) -> int | None:
    value = kinds.integer(-(2**63))(place)
    if value == 0:
        place.warn("0 means no bound, as in the Collector; to match exactly 0 use ottl_condition")
    return value or None


def _numeric_attribute(fields: Fields) -> None:
    low = fields.values.setdefault("min_value", None)
    high = fields.values.setdefault("max_value", None)
    written = [fields.places[key].node for key in ("min_value", "max_value") if key in fields.places]
    if all(isinstance(node, Scalar) and node.value in (0, None) for node in written):
        fields.section.problem("give min_value or max_value, other than 0 (which is no bound)", value=False)
    elif low is not None and high is not None and low > high:
        fields.problem("min_value", f"use at most max_value, which is {high}")


def _string_attribute(fields: Fields) -> None:
    if not fields.get("enabled_regex_matching", default=False) or "values" not in fields.values:
        return
    values, place = fields.values["values"], fields.places["values"]
    for value, item in zip(values, place.items() or [place] * len(values), strict=True):
        try:
            compile_re2(value)
        except ValueError as error:
            item.problem(f"use an RE2 regular expression; {error}")


def _ratio(place: Place) -> float:
    """Read a percentage; more than 100 is all, as the Collector documents it."""
    percentage = kinds.number()(place)
    if percentage > 100:  # noqa: PLR2004
        place.warn("use at most 100; a higher value keeps all, as in the Collector")
    return min(percentage / 100, 1.0)


def _boolean_attribute(fields: Fields) -> None:
    fields.values.setdefault("value", False)


def _trace_state(fields: Fields) -> None:
    longest = max(map(len, fields.get("values", ("",))))
    if len(fields.get("key", "")) + longest > LONGEST_ENTRY:
        fields.problem("values", f"use at most {LONGEST_ENTRY} characters for key and value; no tracestate has more")


def _burst(rate: str) -> Check:
    """Return the check that fills in the default burst: twice the rate where the file gives none, or 0."""

    def check(fields: Fields) -> None:
        if not fields.get("burst_capacity"):
            fields.values["burst_capacity"] = 2 * fields.get(rate, 0)

    return check


def _conditions(context: str) -> Kind[tuple[Condition, ...]]:
    """Return the kind of lists of OTTL conditions on a span, or on an event of one."""

    def read(place: Place) -> Condition:
        from otel_fe.config.ottl import OttlSyntaxError, parse_condition  # noqa: PLC0415 only where a file has one

        text = kinds.text(place)
        try:
            condition: Condition = parse_condition(text, context)
        except OttlSyntaxError as error:
            place.problem(f"in column {error.column} of the condition: {error.message}")
            raise Refused from error
        return condition

    return kinds.list_of(read, wanted="use a list of conditions")


def _ottl_condition(fields: Fields) -> None:
    written = [fields.places[key].node for key in ("span", "spanevent") if key in fields.places]
    if all(isinstance(node, Sequence) and not node.items for node in written):
        fields.section.problem("give at least one condition, under span or spanevent", value=False)
    for field, default in (("span", ()), ("span_event", ()), ("error_mode", "silent")):
        fields.values.setdefault(field, default)


_KEY: Final = Key(kinds.text, required="give the attribute's key")
_INVERT: Final = Key(kinds.boolean)
_COUNT: Final = Key(kinds.integer())
_SPANS: Final = Key(kinds.integer(0, kinds.LARGEST_INT32))
_CACHE_SIZE: Final = kinds.mapped(kinds.integer(), lambda size: size or DEFAULT_CACHE_SIZE)
_SALT: Final = kinds.mapped(kinds.string, lambda salt: salt or DEFAULT_SALT)
_CODES: Final = kinds.strings(
    kind=kinds.choice(*STATUS_CODES), least=1, wanted="use a list of at least one of OK, ERROR and UNSET"
)

BLOCKS: Final[dict[str, Section[policies.Policy]]] = {
    "always_sample": Section(policies.AlwaysSample, {}),
    "trace_flags": Section(policies.TraceFlags, {}),
    "latency": Section(
        policies.Latency,
        {"threshold_ms": _COUNT, "upper_threshold_ms": _COUNT},
        _latency,
    ),
    "numeric_attribute": Section(
        policies.NumericAttribute,
        {"key": _KEY, "min_value": Key(_bound), "max_value": Key(_bound), "invert_match": _INVERT},
        _numeric_attribute,
    ),
    "string_attribute": Section(
        policies.StringAttribute,
        {
            "key": _KEY,
            "values": Key(kinds.strings(least=1, wanted="use a list of at least one string"), required="give values"),
            "enabled_regex_matching": Key(kinds.boolean),
            "cache_max_size": Key(_CACHE_SIZE),
            "invert_match": _INVERT,
        },
        _string_attribute,
    ),
    "boolean_attribute": Section(
        policies.BooleanAttribute,
        {"key": _KEY, "value": Key(kinds.boolean), "invert_match": _INVERT},
        _boolean_attribute,
    ),
    "probabilistic": Section(
        policies.Probabilistic,
        {
            "sampling_percentage": Key(_ratio, "sampling_ratio", required="give sampling_percentage, from 0 to 100"),
            "hash_salt": Key(_SALT),
        },
    ),
    "status_code": Section(
        policies.StatusCode,
        {
            "status_codes": Key(
                kinds.mapped(_CODES, lambda names: frozenset(STATUS_CODES[name] for name in names)),
                required="give status_codes, a list of at least one of OK, ERROR and UNSET",
            )
        },
    ),
    "trace_state": Section(
        policies.TraceState,
        {
            "key": _KEY,
            "values": Key(
                kinds.strings(kind=kinds.text, least=1, wanted="use a list of at least one string"),
                required="give values",
            ),
        },
        _trace_state,
    ),
    "span_count": Section(
        policies.SpanCount,
        {"min_spans": _SPANS, "max_spans": _SPANS},
        _span_count,
    ),
    "rate_limiting": Section(
        policies.RateLimiting,
        {"spans_per_second": Key(kinds.integer(), required="give spans_per_second"), "burst_capacity": _COUNT},
        _burst("spans_per_second"),
    ),
    "bytes_limiting": Section(
        policies.BytesLimiting,
        {"bytes_per_second": Key(kinds.integer(), required="give bytes_per_second"), "burst_capacity": _COUNT},
        _burst("bytes_per_second"),
    ),
    "ottl_condition": Section(
        policies.OttlCondition,
        {
            "error_mode": Key(kinds.choice("propagate", "ignore", "silent", any_case=True)),
            "span": Key(_conditions("span")),
            "spanevent": Key(_conditions("spanevent"), "span_event"),
        },
        _ottl_condition,
    ),
}
"""Keyed by type: the block of the same name."""
