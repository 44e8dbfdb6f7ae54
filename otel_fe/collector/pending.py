"""Saves the traces that are pending at a graceful stop on disk until the next start: spans and arrival times.

One file: for each trace a header (JSON) and its spans (an `ExportTraceServiceRequest`), with their sizes and checksum before them.
A damaged file yields the traces before the damage. Times are Unix times, since the next process has another monotonic clock;
one that lies in the future, because the wall clock was set back, is taken as now.
"""

from __future__ import annotations

import json
import logging
import os
import struct
import zlib
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from otel_fe.wire.batch import Trace
from otel_fe.wire.handed import encoded
from otel_fe.wire.validation import check
from otel_fe.wire.wire_error import WireError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from otel_fe.clock import Clock
    from otel_fe.collector.graph.graph import PipelineGraph
    from otel_fe.collector.graph.sampled import SampledPipeline

_log = logging.getLogger("otel_fe")
_MAGIC: Final = b"otel-fe pending traces 1\n"
_PRIVATE: Final = 0o600
_SIZES: Final = struct.Struct(">III")


class Saved(NamedTuple):
    """A trace on disk."""

    pipeline: str
    arrived_ns: int
    """Unix time."""
    root_received_ns: int
    """Unix time of its root's arrival; 0 before."""
    spans: bytes


def save(path: Path, engine: PipelineGraph, clock: Clock) -> int:
    """Write what is pending in a closed engine; return how many spans that is. What was there before is replaced.

    Raises:
        OSError: The disk does not take it; the pending traces are still there.
    """
    lead_ns = clock.time_ns() - clock.monotonic_ns()
    spans = 0
    temporary = path.with_suffix(".new")
    temporary.unlink(missing_ok=True)  # it may have been made with other permissions
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "wb") as file:
        file.write(_MAGIC)
        for pipeline in engine.parts.sampled:
            for trace in pipeline.sampler.pending_traces():
                file.write(_record(pipeline.name, trace, lead_ns))
                spans += len(trace.spans)
        file.flush()
        os.fsync(file.fileno())
    if spans:
        temporary.replace(path)
    else:
        temporary.unlink()
        path.unlink(missing_ok=True)
    return spans


def load(path: Path) -> Iterator[Saved]:
    """Yield what is in a file, the oldest first; nothing of a file that is another's."""
    content = path.read_bytes()
    place = len(_MAGIC)
    if not content.startswith(_MAGIC):
        _log.warning("%s: not a file of pending traces; it is ignored", path)
        return
    while place < len(content):
        try:
            head_size, spans_size, checksum = _SIZES.unpack_from(content, place)
            place += _SIZES.size
            body = content[place : place + head_size + spans_size]
            _check(body, head_size + spans_size, checksum)
            head: Mapping[str, Any] = json.loads(body[:head_size])
            yield Saved(head["pipeline"], head["arrived_ns"], head["rooted_ns"], body[head_size:])
        except (struct.error, ValueError, KeyError) as error:
            _log.warning("%s: the pending traces from byte %d on are lost (%s)", path, place, error)
            return
        place += head_size + spans_size


def restore(path: Path, engine: PipelineGraph, clock: Clock) -> int:
    """Restore the traces of a file into a graph, and remove the file; return the number of spans."""
    now_ns = clock.monotonic_ns()
    lead_ns = clock.time_ns() - now_ns
    by_name = {pipeline.name: pipeline for pipeline in engine.parts.sampled}
    spans = 0
    if not path.exists() or not by_name:
        return 0
    with engine.locked():
        for saved in load(path):
            # A pipeline that has another name now is the only one, mostly.
            pipeline = by_name.get(saved.pipeline) or next(iter(by_name.values()), None)
            if pipeline is not None:
                spans += _give_back(saved, engine, pipeline, now_ns, lead_ns)
    path.unlink(missing_ok=True)
    return spans


def _check(body: bytes, size: int, checksum: int) -> None:
    if len(body) < size or zlib.crc32(body) != checksum:
        raise ValueError("a trace is damaged")


def _record(pipeline: str, trace: Any, lead_ns: int) -> bytes:
    held = Trace(trace.trace_id)
    held.spans = trace.spans
    body = encoded([held])
    root_received_ns = trace.root_received_ns + lead_ns if trace.root_received_ns else 0
    head = json.dumps(
        {"pipeline": pipeline, "arrived_ns": trace.arrived_ns + lead_ns, "rooted_ns": root_received_ns}
    ).encode()
    return _SIZES.pack(len(head), len(body), zlib.crc32(head + body)) + head + body


def _give_back(saved: Saved, engine: PipelineGraph, pipeline: SampledPipeline, now_ns: int, lead_ns: int) -> int:
    try:
        checked = check("traces", saved.spans, identified=True)
    except WireError as error:
        _log.warning("a pending trace is lost: %s", error)
        return 0
    # An earlier version validated less on receipt.
    pipeline.counters.reject(checked.rejected)
    batch = engine.decode(checked.payload, sized=pipeline.sized)
    arrived_ns = min(saved.arrived_ns - lead_ns, now_ns)
    root_received_ns = min(saved.root_received_ns - lead_ns, now_ns) if saved.root_received_ns else 0
    for trace in batch.traces:
        pipeline.sampler.restore(trace.trace_id, trace.spans, trace.size_bytes, arrived_ns, root_received_ns)
    batch.release()
    return batch.accepted
