"""`otel-fe profile`: what it writes, and what it says where there is nothing to write."""

from __future__ import annotations

import gzip
import time

import pytest
from opentelemetry.proto.profiles.v1development.profiles_pb2 import ProfilesData

from otel_fe.cli import main
from otel_fe.profiles.pprof import Profile
from tests.unit.store.parts import bed, extraction, otlp, trace
from tests.unit.store.test_slow_extractions import with_stacks

LINE = "cpu;app.py:3 handle;shop/embedding.py:88 resize 61000"


@pytest.fixture
def store(tmp_path):
    folder = tmp_path / "store"
    now_ns = time.time_ns()
    with bed(folder) as made:
        spans = with_stacks(7, [LINE], ["cpu shop/embedding.py:88 resize 61000"])
        slow = extraction(now_ns - 60_000_000_000, span_id=7, feature_set="image")
        made.write("trace", trace(0xABC, slow, spans=spans))
        plain = otlp((2, 7, 0, "feature_extraction", {}))
        made.write(
            "trace", trace(0xDEF, extraction(now_ns - 60_000_000_000, span_id=7, feature_set="text"), spans=plain)
        )
    return folder


def test_collapsed_stacks_go_to_standard_output(store, capfdbinary):
    assert main(["profile", "--store", str(store)]) == 0
    assert capfdbinary.readouterr().out.decode() == f"shop;image;{LINE}\n"


@pytest.mark.parametrize("form", ["pprof", "otlp"])
def test_binary_formats_go_to_a_file(store, tmp_path, capfd, form):
    file = tmp_path / "slow"
    assert (
        main(["profile", "--store", str(store), "--format", form, "--out", str(file), "--trace", f"{0xABC:032x}"]) == 0
    )
    assert capfd.readouterr().err == f"{file}: the stacks of 1 slow extractions\n"
    data = file.read_bytes()
    if form == "pprof":
        assert [list(one.value) for one in Profile.FromString(gzip.decompress(data)).sample] == [[61_000_000]]
    else:
        (resource,) = ProfilesData.FromString(data).resource_profiles
        assert resource.scope_profiles[0].profiles[0].samples[0].values == [61_000_000]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--since", "1s"], "no slow extractions in that time; --since looks further back"),
        (["--feature-set", "text"], "the 1 slow extractions of that time have no stacks"),
        (["--trace", "1" * 32], f"no slow extractions in trace {'1' * 32}"),
    ],
)
def test_nothing_to_write_is_said(store, capfd, arguments, message):
    assert main(["profile", "--store", str(store), *arguments]) == 1
    captured = capfd.readouterr()
    assert captured.out == ""
    assert message in captured.err


def test_missing_store_is_said(tmp_path, capfd):
    assert main(["profile", "--store", str(tmp_path / "none")]) == 1
    assert "none" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--since", "soon"], "'soon': no number before 'soon'"),
        (["--since", "0s"], "use more than 0"),
        (["--trace", "x"], "x: use 32"),
    ],
)
def test_wrong_arguments_are_refused(store, capsys, arguments, message):
    with pytest.raises(SystemExit) as ended:
        main(["profile", "--store", str(store), *arguments])
    assert ended.value.code == 2
    assert message in capsys.readouterr().err
