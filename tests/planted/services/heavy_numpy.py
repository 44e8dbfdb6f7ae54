"""One call of NumPy that takes all of the time."""

import numpy as np

import otel_fe

weights = np.random.default_rng(1).random((1_500, 1_500))


@otel_fe.extraction
def extract():
    return np.linalg.svd(weights[:1_000, :1_000])[1][0]  # planted


for _ in range(4):
    extract()
