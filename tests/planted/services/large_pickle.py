"""Features are pickled for a cache, all of them."""

import pickle

import otel_fe

rows = [{"user": n, "features": [float(n)] * 20} for n in range(250_000)]


@otel_fe.extraction
def extract():
    return len(pickle.dumps(rows))  # planted


for _ in range(5):
    extract()
