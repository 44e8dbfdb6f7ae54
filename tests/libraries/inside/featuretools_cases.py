"""Featuretools, instrumented: run by test_featuretools.py in environments with its oldest and newest version."""

from __future__ import annotations

import inspect

import featuretools as ft
import pandas as pd
import pytest

import otel_fe
from tests.libraries.inside.seen import told, tree, watching


@pytest.fixture
def entities():
    """Return two customers with three orders."""
    found = ft.EntitySet("shop")
    customers = pd.DataFrame({"customer": [1, 2], "age": [30, 40]})
    orders = pd.DataFrame({"order": [1, 2, 3], "customer": [1, 1, 2], "price": [5.0, 6.0, 7.0]})
    found.add_dataframe(customers, "customers", index="customer")
    found.add_dataframe(orders, "orders", index="order")
    found.add_relationship("customers", "customer", "orders", "customer")
    return found


OPTIONS = {
    "target_dataframe_name": "customers",
    "max_depth": 1,
    "agg_primitives": ["sum", "count"],
    "trans_primitives": [],
}


def test_dfs_is_an_extraction_with_the_calculation_as_its_child(entities):
    """The target is the feature set; rows and columns are those of the matrix."""
    alone, _ = ft.dfs(entityset=entities, **OPTIONS)
    with watching() as captured:
        matrix, _ = ft.dfs(entityset=entities, **OPTIONS)
    pd.testing.assert_frame_equal(matrix, alone)
    assert tree(captured) == [("feature_extraction customers", "calculate_feature_matrix")]
    assert told(captured.extraction()) == ("featuretools", 2, alone.shape[1])


def test_definitions_alone_are_none(entities):
    """Asking for feature definitions alone is no extraction; calculating the matrix is one."""
    with watching() as captured:
        definitions = ft.dfs(entityset=entities, features_only=True, **OPTIONS)
        assert captured.spans == ()
        ft.calculate_feature_matrix(definitions, entities)
    assert tree(captured) == ["feature_extraction customers"]
    assert told(captured.extraction()) == ("featuretools", 2, len(definitions))


def test_inside_an_extraction_all_are_children_and_everything_is_put_back(entities):
    """The application's own extraction is the outermost; errors are Featuretools' own."""
    before = ft.dfs, ft.calculate_feature_matrix
    with watching() as captured, otel_fe.extraction("mine"):
        assert str(inspect.signature(ft.dfs)) == str(inspect.signature(before[0]))
        ft.dfs(entityset=entities, **OPTIONS)
        with pytest.raises(KeyError):
            ft.dfs(entityset=entities, **{**OPTIONS, "target_dataframe_name": "nobody"})
    assert tree(captured) == [("feature_extraction mine", ("dfs", "calculate_feature_matrix"), "dfs")]
    assert (ft.dfs, ft.calculate_feature_matrix) == before
    assert ft.synthesis.dfs is before[0]
