"""Profiles in other tools' formats, judged by the official messages and, for pprof, by Go's own tool (tests/integration)."""

from __future__ import annotations

import gzip

from opentelemetry.proto.profiles.v1development.profiles_pb2 import ProfilesData

from otel_fe.profiles.collapsed import collapsed
from otel_fe.profiles.otlp_profiles import otlp_profiles
from otel_fe.profiles.pprof import Profile, pprof
from tests.unit.profiles.parts import RESIZE, slow

EXTRACTIONS = [
    slow([f"cpu;app.py:3 handle;{RESIZE} 61000", "gil;app.py:3 handle;[held by] job.py:5 spin 9000"], number=7),
    slow([f"cpu;app.py:3 handle;{RESIZE} 1000"], number=8, weight=20.0, service="other"),
]


def test_collapsed_lines_are_added_up_by_weight():
    again = [*EXTRACTIONS, slow([f"cpu;app.py:3 handle;{RESIZE} 500"], number=9)]
    assert collapsed(again).splitlines() == [
        f"shop;image;cpu;app.py:3 handle;{RESIZE} 61500",
        f"other;image;cpu;app.py:3 handle;{RESIZE} 20000",
        "shop;image;gil;app.py:3 handle;[held by] job.py:5 spin 9000",
    ]


def test_collapsed_names_cannot_break_lines():
    assert collapsed([slow(["cpu;a.py:1 f 5"], service="a;b\nc")]) == "a:b c;image;cpu;a.py:1 f 5\n"


def test_pprof_samples_are_innermost_first_in_nanoseconds_by_weight():
    profile = Profile.FromString(gzip.decompress(pprof(EXTRACTIONS)))
    texts = list(profile.string_table)
    functions = {one.id: (texts[one.name], texts[one.filename]) for one in profile.function}
    lines = {one.id: (*functions[one.line[0].function_id], one.line[0].line) for one in profile.location}
    first = profile.sample[0]
    assert [lines[one] for one in first.location_id] == [("resize", "shop/embedding.py", 88), ("handle", "app.py", 3)]
    assert [list(one.value) for one in profile.sample] == [[61_000_000], [9_000_000], [20_000_000]]
    labels = {texts[one.key]: texts[one.str] for one in first.label}
    assert labels == {
        "cause": "cpu",
        "service": "shop",
        "feature_set": "image",
        "trace_id": f"{7:032x}",
        "span_id": f"{7:016x}",
    }
    assert [(texts[one.type], texts[one.unit]) for one in profile.sample_type] == [("wall", "nanoseconds")]
    assert texts[0] == ""


def test_otlp_profiles_link_to_the_spans():
    data = ProfilesData.FromString(otlp_profiles(EXTRACTIONS).SerializeToString())
    tables = data.dictionary
    texts = list(tables.string_table)
    other, shop = data.resource_profiles
    assert [one.resource.attributes[0].value.string_value for one in (other, shop)] == ["other", "shop"]
    (profile,) = shop.scope_profiles[0].profiles
    assert (texts[profile.sample_type.type_strindex], texts[profile.sample_type.unit_strindex]) == (
        "wall",
        "nanoseconds",
    )
    assert (profile.time_unix_nano, profile.duration_nano) == (1_700_000_000_000_000_007, 125_000_000)
    first = profile.samples[0]
    link = tables.link_table[first.link_index]
    assert (link.trace_id, link.span_id) == ((7).to_bytes(16, "big"), (7).to_bytes(8, "big"))
    stack = tables.stack_table[first.stack_index]
    line = tables.location_table[stack.location_indices[0]].lines[0]
    function = tables.function_table[line.function_index]
    assert (texts[function.name_strindex], texts[function.filename_strindex], line.line) == (
        "resize",
        "shop/embedding.py",
        88,
    )
    assert list(first.values) == [61_000_000]
    (cause,) = first.attribute_indices
    assert texts[tables.attribute_table[cause].key_strindex] == "feature_extraction.bottleneck"
    assert tables.attribute_table[cause].value.string_value == "cpu"


def test_first_entry_of_every_otlp_table_is_empty():
    """Index 0 means no entry, as the specification says."""
    tables = otlp_profiles(EXTRACTIONS).dictionary
    for name in ("mapping", "location", "function", "link", "attribute", "stack"):
        assert not getattr(tables, f"{name}_table")[0].ByteSize()
    assert tables.string_table[0] == ""


def test_same_profile_has_the_same_id_and_others_another():
    profiles = [
        one for resource in otlp_profiles(EXTRACTIONS).resource_profiles for one in resource.scope_profiles[0].profiles
    ]
    again = otlp_profiles(EXTRACTIONS).resource_profiles[0].scope_profiles[0].profiles[0]
    assert len({one.profile_id for one in profiles}) == 2
    assert again.profile_id == profiles[0].profile_id
    assert len(again.profile_id) == 16


def test_nothing_is_an_empty_profile():
    assert collapsed([]) == ""
    assert not Profile.FromString(gzip.decompress(pprof([]))).sample
    assert not otlp_profiles([]).resource_profiles
