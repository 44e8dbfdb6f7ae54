"""A client that pauses between its tries."""

import time

import otel_fe


def fetch(attempt):
    if attempt < 3:
        raise ConnectionError
    return [1.0]


@otel_fe.extraction
def extract():
    for attempt in range(4):
        try:
            return fetch(attempt)
        except ConnectionError:
            time.sleep(0.05)  # planted


for _ in range(5):
    extract()
