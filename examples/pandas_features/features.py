"""A pandas pipeline: functions from frame to frame, strung together by `DataFrame.pipe`.

pandas itself is not instrumented: every one of its calls would be one. The function that runs the pipeline is named as a target,
and so are the steps that are worth a look. The outermost is what the figures are read from; each step is an extraction of its
own inside it, with its own time, CPU time and memory:

    HOME=examples.pandas_features.features
    export OTEL_FE_TARGETS="$HOME:customer_features=customers,$HOME:spending=spending,$HOME:habits=habits"
    opentelemetry-instrument python -m examples.pandas_features

Steps are looked up when the pipeline runs (`frame.pipe(spending)` inside a function), so that the wrapped ones are found.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def spending(orders: pd.DataFrame) -> pd.DataFrame:
    """Add each customer's share of an order's price."""
    return orders.assign(share=orders["price"] / orders.groupby("customer")["price"].transform("sum"))


def habits(orders: pd.DataFrame) -> pd.DataFrame:
    """Return a row a customer."""
    return orders.groupby("customer").agg(orders=("price", "size"), mean=("price", "mean"), top=("share", "max"))


def customer_features(orders: pd.DataFrame) -> pd.DataFrame:
    """Return the features of all customers."""
    return orders.pipe(spending).pipe(habits)
