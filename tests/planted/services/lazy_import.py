"""A library that is imported by the first request."""

import otel_fe


@otel_fe.extraction
def extract():
    import sklearn.manifold  # planted

    return sklearn.manifold.__name__


extract()
