"""Extractions of `watch_cases` that are slow by one known line each. Workers import it."""

from __future__ import annotations

import asyncio
import threading
import time

import otel_fe

SLOW_S = 0.4


def _computed():
    ends = time.thread_time() + SLOW_S
    sum(busy for busy in iter(lambda: time.thread_time() < ends, False))  # cause: cpu


def _late():
    time.sleep(SLOW_S)  # cause: sleep


def _locked():
    lock = threading.Lock()
    lock.acquire()
    threading.Timer(SLOW_S, lock.release).start()
    lock.acquire()  # cause: lock


@otel_fe.extraction(feature_set="cpu")
def cpu():
    _computed()


@otel_fe.extraction(feature_set="sleep")
def sleep():
    _late()


@otel_fe.extraction(feature_set="lock")
def lock():
    _locked()


@otel_fe.extraction(feature_set="cpu")
async def cpu_in_a_loop():
    _computed()


@otel_fe.extraction(feature_set="sleep")
async def sleep_in_a_loop():
    await asyncio.sleep(SLOW_S)  # cause: sleep_in_a_loop
