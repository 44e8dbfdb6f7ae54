"""Two minutes of it; `make soak ARGS="--minutes 60"` runs an hour."""

from __future__ import annotations

import pytest

from tests.real.parts import missing
from tests.soak.soak import Soak


@pytest.mark.timeout(420)
def test_what_is_acknowledged_is_delivered_whatever_happens(tmp_path):
    """Memory and files stay bounded, and normal senders are served, under kills, refusals, full disks, slow backends and attacks."""
    report = Soak(tmp_path, minutes=2, seed=1).run()
    print(report)
    assert not report.problems, str(report)
    for part in report.left_out:
        missing(part)
