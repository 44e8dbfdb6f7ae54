"""A fault in any hook of feature libraries: the application sees what it sees without us, and the fault is counted.

The same idea as in tests/integration/test_faults.py, with scikit-learn as the library: the other libraries go through the same
hooks (`calls`, `observed`, `subclasses`), and have none of their own. PyTorch has two.
"""

from __future__ import annotations

import logging

import joblib
import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import MinMaxScaler, StandardScaler

import otel_fe
from otel_fe import faults
from tests.integration.faulty.call_sites import files_of, never_reached, reached
from tests.integration.faulty.injection import Application, Injection, tried
from tests.integration.test_faults import lived
from tests.observed import Observed, instrumented

OURS = "otel_fe.instrument.libraries"
X = np.arange(12.0).reshape(6, 2)
MODEL = make_pipeline(StandardScaler(), MinMaxScaler(), LogisticRegression()).fit(X, [0, 1] * 3)
with joblib.parallel_backend("threading"):  # processes would be started for it wherever this module is imported
    UNION = FeatureUnion([("a", StandardScaler()), ("b", MinMaxScaler())], n_jobs=2).fit(X)


def calls(_app):
    """Transform, predict and fail, as the outermost call and inside of it."""
    return [
        StandardScaler().fit_transform(X).tolist(),
        MODEL[:-1].transform(X).tolist(),
        MODEL.predict(X).tolist(),
        MODEL.fit(X, [0, 1] * 3).score(X, [0, 1] * 3),
        tried(MODEL.predict, X[:, :1])[:2],
        tried(MODEL[:-1].transform, X[:, :1])[:2],
    ]


def a_class_is_defined(_app):
    """Define a transformer, and use it."""

    class Ours(TransformerMixin, BaseEstimator):
        def fit(self, X, y=None):
            return self

        def transform(self, X):
            return X + 1

    return Ours().fit_transform(X).tolist(), Ours().get_params()


def threads(_app):
    """Transform in threads of joblib's."""
    with joblib.parallel_backend("threading", n_jobs=2):
        return UNION.transform(X).tolist()


def an_extraction(_app):
    """Extract beside PyTorch."""
    with otel_fe.extraction("x"):
        return 5


INJECTIONS = [
    Injection("library.begin", "instrument.libraries.observed_function", (f"{OURS}.calls:LibraryCall.start",), calls),
    Injection(
        "library.begin", "instrument.libraries.observed_function", ("otel_fe.sdk.tracer:LeanTracer.start_span",), calls
    ),
    Injection("library.begin", "instrument.libraries.observed_function", (f"{OURS}.calls:set_context",), calls),
    Injection("library.describe", "instrument.libraries.calls", (f"{OURS}.sklearn_estimators:rows",), calls),
    Injection("library.end", "instrument.libraries.calls", (f"{OURS}.calls:LibraryCall._tell",), calls),
    Injection("library.end", "instrument.libraries.calls", ("otel_fe.sdk.span:LeanSpan.end",), calls),
    Injection("library.class", "instrument.libraries.subclasses", (f"{OURS}.subclasses:hook",), a_class_is_defined),
    Injection(
        "sklearn.task", "instrument.libraries.sklearn_workers", (f"{OURS}.sklearn_workers:get_current_span",), threads
    ),
    Injection(
        "sklearn.worker", "instrument.libraries.sklearn_workers", (f"{OURS}.sklearn_workers:set_context",), threads
    ),
    Injection(
        "sklearn.worker", "instrument.libraries.sklearn_workers", (f"{OURS}.sklearn_workers:reset_context",), threads
    ),
    Injection("torch.begin", "instrument.libraries.torch", (f"{OURS}.torch:peaks",), an_extraction, needs=("cuda",)),
    Injection("torch.finish", "instrument.libraries.torch", (f"{OURS}.torch:raised",), an_extraction, needs=("cuda",)),
]


@pytest.fixture(scope="module")
def injections_run():
    """Return a list of the injections that have run; where all of them have, each call of `faults.record` was reached."""
    run = []
    with reached() as found:
        yield run
    if len(run) == len(INJECTIONS):
        assert never_reached(files_of(one.module for one in INJECTIONS), found) == []


@pytest.mark.parametrize("injection", INJECTIONS, ids=str)
def test_a_fault_disturbs_nothing_and_is_counted(injection, request, tmp_path, monkeypatch, caplog, injections_run):
    """Results and exceptions are those of the application without us; the first fault of a hook is logged, all are counted."""
    for fixture in injection.needs:
        request.getfixturevalue(fixture)
    alone = Observed()
    expected = lived(injection.work, Application(alone, {}, tmp_path))
    alone.close()
    faults.reset()
    with monkeypatch.context() as patch, caplog.at_level(logging.WARNING, logger="otel_fe"):
        application = Application(None, {}, tmp_path, injection, patch)
        with instrumented() as application.captured:
            application.arm()
            seen = lived(injection.work, application)
    counts = faults.counts()
    faults.reset()
    assert seen == expected
    assert counts.get(injection.hook, 0) > 0
    assert set(injection.breaks) <= set(application.injected)
    assert sum(f"otel_fe: {injection.hook} failed" in record.getMessage() for record in caplog.records) == 1
    injections_run.append(injection)
