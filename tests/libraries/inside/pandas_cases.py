"""The pandas pipeline of examples/pandas_features, by target; run by test_pandas.py."""

from __future__ import annotations

import pandas as pd

from examples.pandas_features import features
from tests.libraries.inside.seen import tree, watching

HOME = "examples.pandas_features.features"
ORDERS = pd.DataFrame({"customer": [1, 1, 2], "price": [5.0, 15.0, 7.0]})


def test_the_pipeline_and_its_steps_are_extractions_by_name():
    """The steps lie inside the pipeline; results are the same."""
    alone = features.customer_features(ORDERS)
    targets = f"{HOME}:customer_features=customers,{HOME}:spending=spending,{HOME}:habits=habits"
    with watching(targets=targets) as captured:
        pd.testing.assert_frame_equal(features.customer_features(ORDERS), alone)
    assert alone.loc[1].tolist() == [2, 10, 0.75]
    inside = "feature_extraction spending", "feature_extraction habits"
    assert tree(captured) == [("feature_extraction customers", *inside)]


def test_a_pipeline_alone_is_one_extraction():
    """A pipeline's steps have no spans unless they are targets."""
    with watching(targets=f"{HOME}:customer_features=customers") as captured:
        features.customer_features(ORDERS)
    assert tree(captured) == ["feature_extraction customers"]
    assert captured.total("feature_extraction.duration", feature_extraction__feature_set="customers") == 1
