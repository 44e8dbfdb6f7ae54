"""Bytes of an open trace and of a pending span: in otel_fe's pipeline, and as SDK spans in a list.

`python -m tests.bench.memory JSON` is the measured process; the runner calls `run_memory`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.bench.rounds import Spread, child_environment, note
from tests.bench.variants import SPAN_NAME, attributes

if TYPE_CHECKING:
    from tests.bench.bed import Bed

TRACES = 20_000
SIDES = ("otel_fe", "sdk")
_PAGE_BYTES = 4096


def run_memory(bed: Bed, rounds: int, traces: int = TRACES) -> dict[str, dict[str, Spread]]:
    """Return bytes per open trace and per pending span of each side, by allocator and by residence."""
    rows: dict[str, dict[str, list[float]]] = {side: {} for side in SIDES}
    for number in range(rounds):
        for side in SIDES:
            note(f"memory: round {number + 1} of {rounds}, {side}")
            for measure in ("heap", "rss"):
                opened = _child(bed, side, traces, measure, pending=False)
                pending = _child(bed, side, traces, measure, pending=True)
                rows[side].setdefault(f"open trace {measure}", []).append(opened["bytes"] / traces)
                added = (pending["bytes"] - opened["bytes"]) / traces
                rows[side].setdefault(f"pending span {measure}", []).append(added)
                if pending["estimate"]:
                    rows[side].setdefault("pending span, own estimate", []).append(pending["estimate"])
    note("")
    return {side: {name: Spread.of(values) for name, values in row.items()} for side, row in rows.items()}


def _child(bed: Bed, side: str, traces: int, measure: str, *, pending: bool) -> dict[str, float]:
    order = json.dumps({"side": side, "traces": traces, "measure": measure, "pending": pending})
    environment = child_environment(bed.endpoint, launcher=side == "otel_fe")
    if side == "otel_fe":
        # the pipeline must hold them all
        environment |= {"OTEL_FE_MAX_OPEN_TRACES": str(traces * 2), "OTEL_FE_MAX_PENDING_BYTES": str(1 << 40)}
    command = [sys.executable, "-m", "tests.bench.memory", order]
    if side == "otel_fe":
        command.insert(0, str(Path(sys.prefix) / "bin" / "opentelemetry-instrument"))
    done = subprocess.run(
        command, cwd=Path(__file__).parents[2], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0 or not done.stdout.strip():
        sys.exit(f"bench: memory {side} ended with {done.returncode}\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES


def _heap_bytes() -> int:
    return tracemalloc.get_traced_memory()[0]


def _hold(tracer: Any, traces: int, *, pending: bool) -> tuple[list[Any], float]:
    """Open `traces` traces, with an ended child each if `pending`; return them and our estimate of one."""
    from opentelemetry.trace import set_span_in_context

    held: list[Any] = []
    estimate = 0
    for number in range(traces):
        root = tracer.start_span(SPAN_NAME)
        held.append(root)
        if pending:
            child = tracer.start_span("GET", set_span_in_context(root))
            child.set_attributes(attributes(number))
            child.end()
            held_by = getattr(child, "local_trace", None)
            estimate += held_by.bytes if held_by is not None else 0
    return held, estimate / traces


def _sdk_provider(ended: list[Any]) -> None:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import SpanProcessor, TracerProvider

    class Keep(SpanProcessor):
        def on_end(self, span: Any) -> None:
            ended.append(span)

    provider = TracerProvider()
    provider.add_span_processor(Keep())
    trace.set_tracer_provider(provider)


def main() -> None:
    """Measure what the argument orders."""
    order = json.loads(sys.argv[1])
    ended: list[Any] = []
    if order["side"] == "sdk":
        _sdk_provider(ended)
    from opentelemetry import trace

    tracer = trace.get_tracer("bench")
    _hold(tracer, 200, pending=True)  # first calls import and cache things
    measure = _resident_bytes
    if order["measure"] == "heap":
        tracemalloc.start(1)
        measure = _heap_bytes
    before = measure()
    held, estimate = _hold(tracer, order["traces"], pending=order["pending"])
    answer = {"bytes": measure() - before, "estimate": estimate}
    print(json.dumps(answer), flush=True)
    # Nothing of this is worth exporting.
    del held
    os._exit(0)


if __name__ == "__main__":
    main()
