"""The original's answers, as they were recorded: `python -m tests.corpus.record` writes them anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from tests.corpus.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

FILE = Path(__file__).with_name("recorded.json")
OURS = Path(__file__).with_name("ours.json")
"""Our own answers, where they are others on purpose: `python -m tests.corpus.record --ours`, and read what has changed."""


def read(file: Path = FILE) -> dict[str, Outcome]:
    """Return the answers in a file, by the case's id."""
    return {name: Outcome.from_json(found) for name, found in json.loads(file.read_text("utf-8")).items()}


def write(outcomes: Mapping[str, Outcome], file: Path = FILE) -> None:
    """Write the answers, a line for each case, so that a change shows which one it is."""
    lines = [f"{json.dumps(name)}: {_line(outcomes[name])}" for name in sorted(outcomes)]
    file.write_text("{\n" + ",\n".join(lines) + "\n}\n", "utf-8")


def _line(outcome: Outcome) -> str:
    return json.dumps(outcome.to_json(), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def difference(outcome: Outcome, expected: Outcome) -> str:
    """Return both answers, to be read in a failing test."""
    return f"\n  got      {_line(outcome)}\n  expected {_line(expected)}"
