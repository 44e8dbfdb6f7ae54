"""Labelled series as in the Numenta Anomaly Benchmark: four weeks at five minutes with the faults of real ones, made from a seed.

Daily and weekly seasons, autocorrelated heavy-tailed noise, missing points, a change for the better that is no anomaly; and, labelled,
spikes, shifts of the level and drifts.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass

STEP_S = 300
PER_DAY = 288
DAYS = 28
START_S = 1_700_000_000 // 86_400 * 86_400
HOUR = 12


@dataclass(frozen=True)
class Labelled:
    kind: str
    points: list[tuple[float, float | None]]  # Unix time and value; None where missing
    windows: list[tuple[float, float, str]]  # first and last Unix time, and what it is


def make(kind: str, seed: int) -> Labelled:
    """Return a series of one kind: `p95 latency`, `cache hit rate` or `throughput`."""
    draw = random.Random(f"{kind} {seed}")
    count = DAYS * PER_DAY
    windows = _windows(draw, count)
    shape = _shape(draw, kind)
    better = draw.randrange(count // 2, count)
    points, noise = [], 0.0
    rho = draw.uniform(0.2, 0.6)
    gap = draw.randrange(PER_DAY, count - 3 * HOUR)
    for index in range(count):
        innovation = draw.gauss(0, 1) / math.sqrt(draw.gammavariate(2.5, 1 / 2.5))  # Student's t, 5 degrees of freedom
        noise = rho * noise + math.sqrt(1 - rho * rho) * innovation
        push = sum(_push(index, window) for window in windows)
        even = shape(index) + shape.sigma * (noise + shape.bad * push)
        if index >= better:
            even -= shape.bad * shape.sigma * 2
        missing = draw.random() < 0.004 or gap <= index < gap + 2 * HOUR
        points.append((START_S + index * STEP_S, None if missing else shape.value(even)))
    # A drift counts from where it is one deviation, a spike and a shift at once; half an hour after the end is still in time.
    labels = [
        (
            START_S + (first + (last - first) // 6 * (name == "drift")) * STEP_S,
            START_S + (last + HOUR // 2) * STEP_S,
            name,
        )
        for first, last, name, _ in windows
    ]
    return Labelled(kind, points, labels)


def _windows(draw, count):
    """Return six anomalies that do not touch: two of each kind, one of them maybe in the first week, none on the first day."""
    found = []
    for name in ("spike", "shift", "drift") * 2:
        while True:
            length = {
                "spike": draw.randint(1, 3),
                "shift": draw.randint(HOUR, 8 * HOUR),
                "drift": draw.randint(6 * HOUR, 30 * HOUR),
            }
            first = draw.randrange(PER_DAY, count - 40 * HOUR)
            last = first + length[name] - 1
            if all(last + PER_DAY < a or first > b + PER_DAY for a, b, *_ in found):
                break
        size = {"spike": draw.uniform(7, 14), "shift": draw.uniform(3, 7), "drift": draw.uniform(5, 9)}
        found.append((first, last, name, size[name]))
    return found


def _push(index, window):
    first, last, name, size = window
    if not first <= index <= last:
        return 0.0
    return size * (index - first) / (last - first) if name == "drift" else size


class _shape:
    """The usual course, on a scale where noise is additive."""

    def __init__(self, draw, kind):
        self.kind = kind
        self.bad = 1 if kind == "p95 latency" else -1
        self.sigma = {
            "p95 latency": draw.uniform(0.04, 0.12),
            "cache hit rate": draw.uniform(0.1, 0.25),
            "throughput": draw.uniform(0.04, 0.12),
        }[kind]
        self.base = {
            "p95 latency": math.log(draw.uniform(20, 70)),
            "cache hit rate": draw.uniform(1.5, 3.0),
            "throughput": math.log(draw.uniform(5, 500)),
        }[kind]
        self.daily = draw.uniform(1, 5) * self.sigma * (3 if kind == "throughput" else 1)
        self.second = self.daily * draw.uniform(0, 0.4)
        self.phase = draw.uniform(0, 2 * math.pi)
        self.weekend = draw.uniform(0, 0.6) * self.daily
        self.flat = draw.uniform(0.3, 1.0)
        self.trend = draw.uniform(-0.03, 0.03) * self.sigma * 7

    def __call__(self, index):
        day, within = divmod(index, PER_DAY)
        angle = 2 * math.pi * within / PER_DAY + self.phase
        weekend = (START_S // 86_400 + day + 3) % 7 >= 5
        course = self.daily * math.sin(angle) + self.second * math.sin(2 * angle)
        if weekend:
            course = course * self.flat - self.weekend
        return self.base + course + self.trend * day / 7

    def value(self, even):
        return 1 / (1 + math.exp(-even)) if self.kind == "cache hit rate" else math.exp(even)


def episodes(flags, apart_s=3600):
    """Return the alerts that flagged times make: those less than an hour apart are one."""
    found = []
    for at in flags:
        if found and at - found[-1][1] <= apart_s:
            found[-1] = (found[-1][0], at)
        else:
            found.append((at, at))
    return found


def score(labelled, flags):
    """Return alerts, right ones, windows, and those found."""
    alerts = episodes(flags)
    right = sum(any(a <= end and b >= start for start, end, _ in labelled.windows) for a, b in alerts)
    found = [any(start <= at <= end for at in flags) for start, end, _ in labelled.windows]
    return len(alerts), right, len(labelled.windows), sum(found)
