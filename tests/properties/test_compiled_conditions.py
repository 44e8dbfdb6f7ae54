"""OTTL conditions in C, against those in Python: the same answer for any span, and none asked for that C can give."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_fe import compiled
from otel_fe.clock import SystemClock
from otel_fe.config.ottl import parse_condition
from otel_fe.config.policies import NumericAttribute, OttlCondition, StringAttribute, TailSampling
from otel_fe.model.re2 import compile_re2
from otel_fe.model.span import Span
from otel_fe.pipeline.compiled_sampler import CompiledTailSampler
from otel_fe.pipeline.policies.leaves import Leaves
from otel_fe.pipeline.policies.ottl_condition import OttlConditionEvaluator
from otel_fe.pipeline.policies.program import plain_pattern
from otel_fe.wire.decode import Decoder
from otel_fe.wire.fields import delimited
from otel_fe.wire.json import to_protobuf
from otel_fe.wire.span import WireSpan
from tests.corpus.wire import encode
from tests.properties.traffic import SPANS

pytestmark = pytest.mark.skipif(compiled.backend is None, reason="not compiled, or switched off")

RECORDED = json.loads((Path(__file__).parents[1] / "unit" / "pipeline" / "ottl_cases.json").read_text())
KEYS = ["s", "n", "ü", "\ufffd"]
TEXTS = ["", "a", "ab", "b", "ba", "é", "\ufffd", "a\n", "Server", "5"]
NUMBERS = [0, 1, -1, 5, 2**53 + 1, 2**63 - 1, -(2**63) + 1, 10**9]
LITERALS = st.sampled_from(
    [
        *(f'"{text}"'.replace("\n", "\\n") for text in TEXTS),
        *map(str, NUMBERS),
        "0.0",
        "5.0",
        "-1.5",
        "9223372036854775807.0",
        "9007199254740992.0",
        "nil",
        "true",
        "false",
        "STATUS_CODE_ERROR",
        "SPAN_KIND_SERVER",
        'Duration("1s")',
        'Duration("-1ns")',
        'Int("5")',
        'Duration("1x")',
        "SpanID(0x0000000000000000)",
        "0x00",
        "[1]",
    ]
)
OPERANDS = st.sampled_from(
    [
        *(f'attributes["{key}"]' for key in KEYS),
        'resource.attributes["s"]',
        'resource.attributes["s"]["x"]',
        "scope.name",
        "name",
        "kind",
        "kind.string",
        "kind.deprecated_string",
        "status.code",
        "start_time_unix_nano",
        "end_time_unix_nano",
        "end_time_unix_nano - start_time_unix_nano",
        "(end_time - start_time)",
        "parent_span_id",
        "IsRootSpan()",
        'attributes["s"]["x"]',
        'attributes["n"] + 1',
        "Len(name)",
    ]
)
COMPARATORS = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
PATTERNS = st.sampled_from(["", "a", "^a", "a$", "^ab$", "^$", "b.*", "[a]", "\\\\.", "a\\\\$", "^é"])
COMPARISONS = st.one_of(
    st.builds("{} {} {}".format, OPERANDS, COMPARATORS, LITERALS),
    st.builds("{} {} {}".format, LITERALS, COMPARATORS, OPERANDS),
    st.builds('IsMatch({}, "{}")'.format, OPERANDS, PATTERNS),
    st.builds(
        'Has{}({}, "{}")'.format, st.sampled_from(["Prefix", "Suffix"]), OPERANDS, st.sampled_from(["", "a", "é"])
    ),
    st.sampled_from(["true", "false", "1 == 1.0", "IsRootSpan()"]),
)
CONDITIONS = st.recursive(
    COMPARISONS,
    lambda inner: st.one_of(
        st.builds("not ({})".format, inner),
        st.builds("({} {} {})".format, inner, st.sampled_from(["and", "or"]), inner),
    ),
    max_leaves=6,
)


def varint(number):
    """Return a number, encoded."""
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


VALUES = st.one_of(
    st.sampled_from(TEXTS).map(lambda text: delimited(1, text.encode())),
    st.sampled_from([b"\xff", b"a\xff", b"\xc3", b"\xed\xa0\x80", b"a" * 300]).map(lambda raw: delimited(1, raw)),
    st.sampled_from(NUMBERS).map(lambda number: b"\x18" + varint(number % 2**64)),
    st.floats().map(lambda number: b"\x21" + struct.pack("<d", number)),
    st.sampled_from([0.0, -0.0, 5.0, float("nan"), 2.0**63, 2.0**53]).map(lambda n: b"\x21" + struct.pack("<d", n)),
    st.booleans().map(lambda truth: bytes([0x10, truth])),
    st.sampled_from(
        [
            b"",  # nil
            b"\x10\x80\x00",  # false, unusually long
            b"\x18\x85\x00",
            b"\x18" + b"\xff" * 9 + b"\x7f",
            b"\x21\x00",  # cut off
            b"\x0a",
            b"\x0a\x05a",
            b"\x0a\x01a\x18\x05",  # of two the last
            b"\x2a\x00",  # an empty list
            b"\x2a\x04\x0a\x02\x18\x01",
            b"\x32\x00",  # an empty map
            b"\x32\x09\x0a\x07\x0a\x01x\x12\x02\x18\x01",
            b"\x3a\x00",  # no bytes
            b"\x3a\x01a",
            b"\x7a\x00",
        ]
    ),
    st.binary(max_size=6),
)
PAIRS = st.lists(st.tuples(st.sampled_from([*(key.encode() for key in KEYS), b"\xff", b""]), VALUES), max_size=5)
"""Attributes; some keys are there twice."""
HEADS = st.builds(
    lambda parent, name, kind, start, end, status: (
        (delimited(4, parent) if parent else b"")
        + (delimited(5, name.encode()) if name else b"")
        + (b"\x30" + varint(kind) if kind else b"")
        + b"\x39"
        + struct.pack("<Q", start)
        + b"\x41"
        + struct.pack("<Q", end),
        delimited(15, b"\x18" + varint(status)) if status is not None else b"",
    ),
    st.sampled_from([b"", b"\x00" * 8, b"\x01" * 8]),
    st.sampled_from(TEXTS),
    st.integers(0, 7),
    st.sampled_from([0, 1, 10**9, 2**63 - 1, 2**63, 2**64 - 1]),
    st.sampled_from([0, 1, 10**9, 2 * 10**9, 2**63, 2**64 - 1]),
    st.sampled_from([None, 0, 1, 2, 3]),
)
RESOURCE = delimited(1, delimited(1, delimited(1, b"s") + delimited(2, delimited(1, b"a"))))


@st.composite
def requests(draw):
    """Return a request with some spans, each a trace of its own."""
    spans = []
    for number, ((head, status), pairs) in enumerate(
        draw(st.lists(st.tuples(HEADS, PAIRS), min_size=1, max_size=4)), 1
    ):
        ids = delimited(1, number.to_bytes(16, "big")) + delimited(2, b"s" * 8)
        attributes = b"".join(delimited(9, delimited(1, key) + delimited(2, value)) for key, value in pairs)
        spans.append(delimited(2, ids + head + attributes + status))
    resource, scope = (
        draw(st.sampled_from([b"", RESOURCE])),
        draw(st.sampled_from([b"", delimited(1, delimited(1, b"a"))])),
    )
    return delimited(1, resource + delimited(2, scope + b"".join(spans)))


def sampler_of(*policies):
    """Return a sampler that delivers to nowhere."""
    return CompiledTailSampler(WireSpan, TailSampling(policies), SystemClock(), lambda *_: "")


def sampler(*conditions, error_mode="propagate"):
    """Return a sampler with one policy, which has these conditions on spans."""
    parsed = tuple(parse_condition(condition, "span") for condition in conditions)
    return sampler_of(OttlCondition("ottl", parsed, (), error_mode))


def check(bench, payload):
    """Compare what C notes of each trace with what Python says of its span."""
    (leaf,) = bench._leaves.evaluators
    batch = Decoder().decode(payload, sized=True)
    spans = list(Decoder().decode(payload, sized=True).spans)
    bench.receive_all(batch.traces, 1)
    batch.release()
    for span in spans:
        _, found = bench.pending_trace(span.trace_id).looked.get(leaf, (0, None))
        assert described(leaf, found) == described(leaf, leaf.match(span))


def described(leaf, vote):
    """Return a vote with what its record says."""
    return vote and (*vote[:2], leaf.describe(vote[2]))


@pytest.fixture(autouse=True)
def keeps_nothing_early(monkeypatch):
    """Leave all traces pending, so that what is known of them can be read."""
    monkeypatch.setattr(CompiledTailSampler, "_final_bits", lambda _: 0)


@given(st.lists(CONDITIONS, min_size=1, max_size=3), st.sampled_from(["propagate", "ignore"]), requests())
def test_conditions_hold_for_the_same_spans(conditions, error_mode, payload):
    """Which condition holds, or the error: for values of each type, unusual encodings, repeated keys and no UTF-8."""
    check(sampler(*conditions, error_mode=error_mode), payload)


@given(st.lists(CONDITIONS, min_size=1, max_size=3), st.lists(SPANS, min_size=1, max_size=3))
def test_conditions_hold_for_the_same_arbitrary_spans(conditions, spans):
    """The same for whatever OTLP can carry."""
    check(sampler(*conditions), encode(spans[:1]))


@given(
    st.lists(st.sampled_from(TEXTS), max_size=3),
    st.lists(st.sampled_from(["", "a", "^a", "a$", "^ab$", "^$", "b.*", "[a]"]), max_size=3),
    requests(),
)
def test_texts_match_the_same_spans(values, patterns, payload):
    """`string_attribute`, with values and with regular expressions: of a span and of its resource."""
    for key in KEYS:
        check(sampler_of(StringAttribute("text", key, tuple(values))), payload)
        check(sampler_of(StringAttribute("text", key, tuple(patterns), enabled_regex_matching=True)), payload)


@given(requests())
def test_a_key_that_several_encodings_are_read_as_is_left_to_python(payload):
    """Unreadable bytes in a key are read as replacement characters, so that policies with such a key see them."""
    check(sampler_of(NumericAttribute("number", "\ufffd", 0, 9)), payload)


def test_recorded_conditions_hold_for_the_same_spans():
    """Each condition that the Collector's answers were recorded for, with the spans of that recording."""
    payloads = [to_protobuf("traces", json.dumps({"resourceSpans": [span]}).encode()) for span in RECORDED["spans"]]
    for case in RECORDED["cases"]:
        if case["context"] == "span":
            for payload in payloads:
                check(sampler(case["condition"]), payload)


def asked_of(*conditions, spans):
    """Return of how many spans the conditions are evaluated in Python."""
    bench, asked = sampler(*conditions), []
    (leaf,) = bench.sampler.policies
    match = leaf.match
    with patch.object(OttlConditionEvaluator, "match", lambda _, span: asked.append(span) or match(span)):
        bench.receive_all(Decoder().decode(encode(spans), sized=True).traces, 1)
    return len(asked)


USUAL = [
    Span(n, 1, parent_id=n % 2, name="ab"[n % 2], kind=n % 6, status=n % 3, start_ns=n, end_ns=10**9, attributes=pairs)
    for n, pairs in enumerate(
        [{"s": "a", "n": 5}, {"s": "", "n": 5.5}, {"s": True}, {"n": "5"}, {}, {"s": "é", "n": float("nan")}], 1
    )
]


@pytest.mark.parametrize(
    "condition",
    [
        'attributes["s"] == "a" and attributes["n"] >= 5 or attributes["s"] != nil',
        'not (5 < attributes["n"]) and attributes["s"] != true',
        'name == "a" and kind == SPAN_KIND_SERVER or kind.string != "Client"',
        "status.code == STATUS_CODE_ERROR and not IsRootSpan()",
        "end_time_unix_nano - start_time_unix_nano > 999999998 and start_time_unix_nano < 3",
        'end_time - start_time >= Duration("1s") or parent_span_id == SpanID(0x0000000000000000)',
        'IsMatch(name, "^a.*") and HasSuffix(name, "a")',
        'resource.attributes["s"] == nil and IsMatch(scope.name, "[a-z]") and scope.version != "1"',
        'attributes["s"] == "nowhere" and Len(attributes["s"]) > 2',
        'IsMatch(name, "^[ab]$") and not IsMatch(name, "(?i)B|x+")',
    ],
)
def test_usual_conditions_are_not_evaluated_in_python(condition):
    """C answers for values of simple types; what it does not know behind an `and` is only reached where that may hold."""
    assert asked_of(condition, spans=USUAL) == 0


@pytest.mark.parametrize("pattern", ["/users/[0-9]+/items/7.*", "[0-9]{3}", "ü?$"])
def test_a_regular_expression_on_values_that_come_once_is_not_evaluated_on_objects(pattern):
    """More texts than are remembered, long ones, and one that comes again."""
    texts = [f"/users/{n}/items/{n}?{'x' * (n % 300)}" for n in range(5_000)]
    texts.append(texts[7])
    spans = [Span(n, 1, attributes={"s": text}) for n, text in enumerate(texts, 1)]
    with patch.object(Leaves, "ask", lambda *_: pytest.fail("a span became an object")):
        bench = sampler_of(StringAttribute("text", "s", (pattern,), enabled_regex_matching=True))
        bench.receive_all(Decoder().decode(encode(spans), sized=True).traces, 1)
    matching = [bench._waiting.row(n)[-2] & 1 == 1 for n in range(1, len(texts) + 1)]
    assert matching == [compile_re2(pattern).search(text) is not None for text in texts]


@pytest.mark.parametrize(
    ("condition", "number"),
    [
        ('Len(name) == 1 and attributes["s"] == "a"', 6),
        ('attributes["s"] == "a" and Len(name) == 1', 1),
        ('attributes["s"] < "b"', 1),  # the one that is not ASCII
        ('HasPrefix(attributes["s"], "a")', 2),  # nil and a bool are errors
    ],
)
def test_python_is_asked_only_for_spans_that_need_it(condition, number):
    """Spans with equal attributes, names, kinds and statuses count once."""
    assert asked_of(condition, spans=USUAL) == number


@given(st.text("ab.*^$\\[|+ \n/é", max_size=6), st.text("ab.*^$\\ \n/é", max_size=6))
def test_a_plain_pattern_matches_as_re2_does(pattern, text):
    """The text that a regular expression comes to, and where it must be."""
    found = plain_pattern(pattern)
    if found is None:
        return
    comparator, part = found
    matches = {"is": text.__eq__, "starts": text.startswith, "ends": text.endswith, "contains": text.__contains__}
    assert matches[comparator](part) == (compile_re2(pattern).search(text) is not None)


STEP = ("attribute", 0, "==", "a", False, -2, -1)


@pytest.mark.parametrize(
    "step",
    [
        {1: 1},
        {1: -1},
        {0: "fact", 1: 64},
        {0: "name", 1: 1},
        {5: 0},
        {6: 1},
        {2: "is", 3: 5},
        {3: b"a"},
        {3: 2**63},
        {3: "\ud800"},
        {0: "color"},
    ],
)
def test_a_wrong_step_is_refused(step):
    """Programs read only the attributes and facts that exist, and only go forward, so that they end."""
    wrong = tuple(step.get(place, value) for place, value in enumerate(STEP))
    leaf = ("inputs", 0, 0, 0, 0, 0, 0, 0, 1, False, -1)
    with pytest.raises((ValueError, TypeError, KeyError, OverflowError)):
        waiting([leaf], [[wrong]])
    with pytest.raises(ValueError, match="0 programs for 1 policies"):
        waiting([leaf], [])


def programs_of(bench):
    """Return the programs of a sampler whose leaves have one word of bits."""
    ((_, _, programs, _),) = bench._leaves.words
    return programs


def waiting(leaves, programs):
    """Return pending traces for leaves that read one attribute."""
    segments = compiled.backend.Segments(None, None, 0, 300)
    return compiled.backend.Waiting(
        [(leaves, ["s"], programs, None)], WireSpan, None, None, None, None, 0, False, [], None, segments
    )


def test_a_long_program_is_left_to_python():
    """Python remembers its answers by the attributes; a condition of hundreds of comparisons takes longer than that."""
    few, many = (" or ".join(f'attributes["s"] == "{n}"' for n in range(count)) for count in (64, 65))
    assert [programs_of(bench) != [None] for bench in map(sampler, (few, many))] == [True, False]


def test_more_facts_than_bits_are_left_to_python():
    """The facts of a resource and a scope are bits of one number, for all policies together."""
    conditions = [f'resource.attributes["s"] != "{n}"' for n in range(60)]
    parsed = tuple(parse_condition(condition, "span") for condition in conditions)
    policies = ("first", parsed), ("second", parsed[:4]), ("third", parsed)
    bench = sampler_of(*(OttlCondition(name, conditions, ()) for name, conditions in policies))
    assert [program is None for program in programs_of(bench)] == [False, False, True]
