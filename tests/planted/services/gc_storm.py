"""A large heap and many new objects: the collector goes through all of it again and again."""

import gc

import otel_fe

heap = [[{"id": n}] for n in range(300_000)]


@otel_fe.extraction
def extract():
    rows = []
    for n in range(120):
        rows.append([{"n": n, "of": other} for other in range(200)])
        gc.collect(1 + n % 2)  # planted: as the collector would do it by itself, with smaller thresholds
        if len(rows) > 8:
            break
    return rows


for _ in range(5):
    extract()
