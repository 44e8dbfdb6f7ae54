"""Faults of the thread that looks at slow extractions."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import otel_fe
from tests.integration.faulty.injection import injected, tried

EXPORT = "otel_fe.sdk.profile_export"
WATCHER = "otel_fe.instrument.watch.watcher:Watcher"


@injected("watch", "instrument.watch.watcher", f"{WATCHER}._begin_thread")
@injected("watch", "instrument.watch.watcher", f"{WATCHER}._round")
@injected(
    "watch.look",
    "instrument.watch.watcher",
    "otel_fe.instrument.watch.look:segment_of",
    settings={"watch_threshold_s": 0.005},
)
@injected("profiles.take", "sdk.profile_export", f"{EXPORT}:ProfileExport._take", settings={"profiles": "otlp"})
@injected("profiles.send", "sdk.profile_export", f"{EXPORT}:_encoded", settings={"profiles": "otlp"})
def slow_extractions(_app):
    @otel_fe.extraction("slow")
    def extract(x):
        time.sleep(0.15)
        return 10 // x

    return [tried(extract, x) for x in (5, 0)]


@injected("handed.note", "instrument.handed_work", "otel_fe.instrument.handed_work:_outlives")
def work_handed_over(_app):
    with otel_fe.extraction("handing"), ThreadPoolExecutor(1) as pool:
        return [tried(pool.submit(divmod, 7, x).result) for x in (2, 0)]
