"""Profiles, judged by the tools that read them."""

from __future__ import annotations

import subprocess

from otel_fe.profiles.pprof import pprof
from tests.real import collector  # noqa: F401 what it declares has a Go toolchain installed before the tests
from tests.real.go import go_binary
from tests.unit.profiles.parts import RESIZE, slow


def test_go_tool_pprof_reads_functions_lines_and_labels(tmp_path):
    file = tmp_path / "slow.pb.gz"
    file.write_bytes(pprof([slow([f"cpu;app.py:3 handle;{RESIZE} 61000", "lock;app.py:9 wait 4000"])]))

    def asked(*options):
        command = [go_binary(), "tool", "pprof", *options, file]
        return subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path).stdout

    top = asked("-top", "-lines")
    assert "Type: wall" in top
    assert "61ms 93.85%" in top.replace("  ", " ")
    assert "resize shop/embedding.py:88" in top
    assert "cause" in asked("-tags")
    assert "resize" not in asked("-top", "-tagfocus=cause=lock")
