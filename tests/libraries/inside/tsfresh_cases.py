"""tsfresh, instrumented: run by test_tsfresh.py in environments with its oldest and newest version."""

from __future__ import annotations

import inspect
import sys

import numpy as np
import pandas as pd
import pytest
import tsfresh
from tsfresh import extract_features, extract_relevant_features
from tsfresh.feature_extraction import MinimalFCParameters

import otel_fe
from tests.libraries.inside.seen import told, tree, watching

SERIES = pd.DataFrame(
    {"id": np.repeat(np.arange(20), 5), "t": np.tile(np.arange(5), 20), "v": np.random.default_rng(0).random(100)}
)
SERIES.loc[SERIES.id >= 10, "v"] += 5
Y = pd.Series(np.arange(20) >= 10, index=np.arange(20))
OPTIONS = {
    "column_id": "id",
    "column_sort": "t",
    "disable_progressbar": True,
    "default_fc_parameters": MinimalFCParameters(),
}


@pytest.mark.parametrize("n_jobs", [0, 2])
def test_extract_features_is_an_extraction(n_jobs):
    """A row a series, a column a feature; alone or with two processes, results are the same."""
    alone = extract_features(SERIES, n_jobs=n_jobs, **OPTIONS)
    with watching() as captured:
        pd.testing.assert_frame_equal(tsfresh.extract_features(SERIES, n_jobs=n_jobs, **OPTIONS), alone)
    assert tree(captured) == ["feature_extraction extract_features"]
    assert told(captured.extraction()) == ("tsfresh", 20, alone.shape[1])


def test_extracting_what_is_relevant_contains_extracting_all():
    """The outermost is the extraction, the inner one a child of it."""
    with watching() as captured:
        found = tsfresh.extract_relevant_features(SERIES, Y, n_jobs=0, **OPTIONS)
    assert tree(captured) == [("feature_extraction extract_relevant_features", "extract_features")]
    assert told(captured.extraction()) == ("tsfresh", 20, found.shape[1])


def test_tsfresh_s_transformers_are_scikit_learn_s():
    """The `transform` of a tsfresh transformer is the extraction, as for scikit-learn's."""
    from tsfresh.transformers import FeatureAugmenter

    augmenter = FeatureAugmenter(
        column_id="id", column_sort="t", default_fc_parameters=MinimalFCParameters(), n_jobs=0, disable_progressbar=True
    )
    augmenter.set_timeseries_container(SERIES)
    with watching() as captured:
        augmenter.fit(pd.DataFrame(index=np.arange(20))).transform(pd.DataFrame(index=np.arange(20)))
    assert tree(captured) == [("feature_extraction FeatureAugmenter", "extract_features")]


def test_functions_that_were_imported_before_are_seen_and_put_back():
    """The copy in this module is replaced too, and afterwards the original is back everywhere."""
    here = sys.modules[__name__]
    before = {name: here.__dict__[name] for name in ("extract_features", "extract_relevant_features")}
    with watching() as captured:
        assert str(inspect.signature(extract_features)) == str(inspect.signature(before["extract_features"]))
        extract_features(SERIES, n_jobs=0, **OPTIONS)
        with otel_fe.extraction("mine"), pytest.raises(ValueError):
            extract_features(SERIES, n_jobs=0, **{**OPTIONS, "column_id": "nowhere"})
    assert tree(captured) == ["feature_extraction extract_features", ("feature_extraction mine", "extract_features")]
    assert tsfresh.extract_features is before["extract_features"] is extract_features
    assert tsfresh.feature_extraction.extract_features is extract_features
    assert tsfresh.convenience.relevant_extraction.extract_relevant_features is extract_relevant_features
