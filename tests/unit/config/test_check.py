from __future__ import annotations

import json

from otel_fe.cli import main
from otel_fe.config.openslo import default_text

GOOD = """
receivers: {otlp: {protocols: {grpc: }}}
exporters: {debug: , nop: }
service: {pipelines: {traces: {receivers: [otlp], exporters: [debug]}}}
"""


def test_a_right_file_is_ok(tmp_path, capsys):
    """One line with what it holds; warnings go to stderr."""
    file = tmp_path / "good.yaml"
    file.write_text(GOOD)
    assert main(["check", str(file)]) == 0
    out, err = capsys.readouterr()
    assert out == f"{file}: ok (1 pipeline: traces; 2 exporters: debug, nop)\n"
    assert err == f"{file}:3:22: exporters::nop: no pipeline names it, so it does nothing (warning)\n"


def test_all_problems_of_all_files_are_printed(tmp_path, capsys):
    """Problems of all files go to stderr, and the exit status is 1."""
    good, bad = tmp_path / "good.yaml", tmp_path / "bad.yaml"
    good.write_text(GOOD.replace(", nop: ", ""))
    bad.write_text(GOOD.replace("[otlp]", "[x]").replace(", nop: ", ", y: "))
    assert main(["check", str(bad), str(good)]) == 1
    out, err = capsys.readouterr()
    assert out.startswith(f"{good}: ok")
    assert [line.split(": ")[1] for line in err.splitlines()] == [
        "exporters::y",
        "service::pipelines::traces::receivers[0]",
    ]


def test_json(tmp_path, capsys):
    """The same for machines."""
    file = tmp_path / "bad.yaml"
    file.write_text(GOOD.replace("[otlp]", "[x]"))
    assert main(["check", "--json", str(file)]) == 1
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["file"], found["ok"], found["summary"]) == (str(file), False, "")
    assert found["problems"][0] == {
        "line": 4,
        "column": 44,
        "key": "service::pipelines::traces::receivers[0]",
        "value": "x",
        "wanted": "no receiver has this id",
    }


def test_a_file_that_cannot_be_read_is_an_error(tmp_path, capsys):
    """The error names the unreadable file, without a traceback."""
    missing, binary = tmp_path / "missing.yaml", tmp_path / "binary.yaml"
    binary.write_bytes(b"a: \xff")
    assert (main(["check", str(missing)]), main(["check", str(binary)])) == (1, 1)
    first, second = capsys.readouterr().err.splitlines()
    assert "No such file" in first
    assert str(missing) in first
    assert second == f"otel-fe check: {binary}: 'byte 3' cannot be used; write the file in UTF-8"


def test_documents_of_another_kind_are_told_apart(tmp_path, capsys):
    """Documents are told apart by `apiVersion`: those of one kind are read together, and all problems are reported."""
    file = tmp_path / "slo.yaml"
    file.write_text(default_text())
    assert main(["check", str(file)]) == 0
    out, err = capsys.readouterr()
    assert out == f"{file}: ok (4 SLOs: latency, cache_hit_rate, error_rate, memory)\n"
    assert err.splitlines()[0].endswith("the page fires at 75 % bad instead (warning)")
    file.write_text(f"{GOOD}---\n{default_text()}")
    assert main(["check", str(file)]) == 0
    assert "debug, nop; 4 SLOs" in capsys.readouterr().out
    file.write_text(f"{GOOD.replace('[otlp]', '[x]')}---\napiVersion: openslo/v1\nkind: SLO\n")
    assert main(["check", str(file)]) == 1
    assert [line.split(": ")[1] for line in capsys.readouterr().err.splitlines()] == [
        "service::pipelines::traces::receivers[0]",
        "metadata",
        "spec",
    ]
