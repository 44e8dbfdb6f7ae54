"""Hamilton, instrumented: run by test_hamilton.py in environments with its oldest and newest version."""

from __future__ import annotations

import asyncio
import inspect
import sys
import types

import pandas as pd
import pytest
from hamilton import ad_hoc_utils, async_driver, base, driver
from hamilton.execution import graph_functions

import otel_fe
from tests.libraries.inside.seen import told, tree, watching


def spend_mean(spend: pd.Series) -> float:
    return spend.mean()


def spend_centred(spend: pd.Series, spend_mean: float) -> pd.Series:
    return spend - spend_mean


def broken(spend: pd.Series) -> float:
    raise ValueError("secret")


MODULE = sys.modules["shop_features"] = types.ModuleType("shop_features")
for _function in (spend_mean, spend_centred, broken):
    _function.__module__ = "shop_features"
    setattr(MODULE, _function.__name__, _function)
INPUTS = {"spend": pd.Series([1.0, 2.0, 6.0])}
WANTED = ["spend_mean", "spend_centred"]
TREE = ("feature_extraction shop_features", "spend_mean", "spend_centred")


def test_an_execution_is_an_extraction_and_its_nodes_are_children():
    """Named by the driver's modules; rows and columns of the result."""
    alone = driver.Driver({}, MODULE).execute(WANTED, inputs=INPUTS)
    with watching() as captured:
        found = driver.Driver({}, MODULE).execute(WANTED, inputs=INPUTS)
    pd.testing.assert_frame_equal(found, alone)
    assert tree(captured) == [TREE]
    assert told(captured.extraction()) == ("hamilton", 3, 2)


def test_a_driver_that_was_built_before_is_seen():
    """An existing driver keeps only the application's adapters; the number of features comes from the result if it is a mapping."""
    built = driver.Builder().with_modules(MODULE).with_adapters(base.DictResult()).build()
    adapters = list(built.adapter.adapters)
    with watching() as captured:
        found = built.execute(WANTED, inputs=INPUTS)
        assert list(built.adapter.adapters) == adapters
    assert found["spend_mean"] == 3
    assert tree(captured) == [TREE]
    assert told(captured.extraction()) == ("hamilton", None, 2)


def test_materialize_is_one_too():
    """`materialize` is an extraction with its nodes."""
    built = driver.Builder().with_modules(MODULE).build()
    with watching() as captured:
        _, found = built.materialize(additional_vars=WANTED, inputs=INPUTS)
    assert found["spend_mean"] == 3
    assert tree(captured) == [TREE]


def test_modules_made_of_functions_have_one_name():
    """Hamilton names them at random."""
    made = ad_hoc_utils.create_temporary_module(spend_mean)
    with watching() as captured:
        driver.Driver({}, made).execute(["spend_mean"], inputs=INPUTS)
    (name,) = [span.name for span in captured.extractions()]
    assert name == "feature_extraction " + ("temporary_module" if "temporary" in made.__name__ else made.__name__)


def test_an_error_of_a_node_is_on_it_and_on_the_extraction():
    """The node's span and the extraction's have the type of the error, and the application gets the error itself."""
    with watching() as captured, pytest.raises(ValueError, match="secret"):
        driver.Driver({}, MODULE).execute(["broken"], inputs=INPUTS)
    assert [span.attributes["error.type"] for span in captured.spans] == ["ValueError"] * 2
    assert "secret" not in str([(span.status.description, span.events) for span in captured.spans])


def test_the_asyncio_driver_is_an_extraction_without_nodes():
    """The asyncio driver's nodes have no spans, since their tasks are not awaited one by one."""

    async def run():
        built = async_driver.AsyncDriver({}, MODULE, result_builder=base.DictResult())
        return await (await built.ainit() if hasattr(built, "ainit") else built).execute(WANTED, inputs=INPUTS)

    with watching() as captured:
        assert asyncio.run(run())["spend_mean"] == 3
    assert tree(captured) == ["feature_extraction shop_features"]
    assert told(captured.extraction()) == ("hamilton", None, 2)


def test_inside_an_extraction_all_are_children_and_everything_is_put_back():
    """The application's own extraction is the outermost."""
    before = dict(vars(driver.Driver)), graph_functions.execute_lifecycle_for_node, dict(vars(async_driver.AsyncDriver))
    with watching() as captured, otel_fe.extraction("mine"):
        driver.Driver({}, MODULE).execute(WANTED, inputs=INPUTS)
        assert str(inspect.signature(driver.Driver.execute)).startswith("(self, final_vars")
    assert tree(captured) == [("feature_extraction mine", ("shop_features", *TREE[1:]))]
    after = dict(vars(driver.Driver)), graph_functions.execute_lifecycle_for_node, dict(vars(async_driver.AsyncDriver))
    assert after == before
