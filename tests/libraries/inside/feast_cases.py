"""Feast, instrumented: a store on SQLite, made here; run by test_feast.py in environments with its oldest and newest version."""

from __future__ import annotations

import asyncio
import datetime as dt
import inspect

import pandas as pd
import pytest
from feast import Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, RepoConfig
from feast.types import Float32, Int64

import otel_fe
from tests.libraries.inside.seen import told, tree, watching

ROWS = [{"driver_id": 1}, {"driver_id": 2}]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Return a store with two drivers, three features in two views, and a service of two of them."""
    folder = tmp_path_factory.mktemp("feast")
    now = dt.datetime.now(dt.timezone.utc)
    frame = pd.DataFrame(
        {"driver_id": [1, 2], "trips": [10, 20], "rate": [0.5, 0.25], "miles": [7, 8], "at": [now, now]}
    )
    frame["rate"] = frame["rate"].astype("float32")
    frame.to_parquet(folder / "drivers.parquet")
    source = FileSource(name="drivers", path=str(folder / "drivers.parquet"), timestamp_field="at")
    driver = Entity(name="driver", join_keys=["driver_id"])
    stats = FeatureView(
        name="stats",
        entities=[driver],
        ttl=dt.timedelta(days=1),
        schema=[
            Field(name="driver_id", dtype=Int64),
            Field(name="trips", dtype=Int64),
            Field(name="rate", dtype=Float32),
        ],
        source=source,
    )
    roads = FeatureView(
        name="roads",
        entities=[driver],
        ttl=dt.timedelta(days=1),
        schema=[Field(name="driver_id", dtype=Int64), Field(name="miles", dtype=Int64)],
        source=source,
    )
    service = FeatureService(name="ranking", features=[stats])
    found = FeatureStore(
        config=RepoConfig(
            project="test",
            registry=str(folder / "registry.db"),
            provider="local",
            online_store={"type": "sqlite", "path": str(folder / "online.db")},
            entity_key_serialization_version=3,
        )
    )
    found.apply([driver, stats, roads, service])
    found.materialize(now - dt.timedelta(hours=1), now + dt.timedelta(hours=1))
    return found


def test_a_feature_service_is_the_feature_set(store):
    """The extraction has the service's name, the number of entity rows and the number of its features."""
    service = store.get_feature_service("ranking")
    alone = store.get_online_features(service, ROWS).to_dict()
    with watching() as captured:
        assert store.get_online_features(service, ROWS).to_dict() == alone
    assert alone["trips"] == [10, 20]
    assert tree(captured) == ["feature_extraction ranking"]
    assert told(captured.extraction()) == ("feast", 2, 2)
    function = captured.extraction().attributes["code.function.name"]
    assert function == "feast.feature_store.FeatureStore.get_online_features"


@pytest.mark.parametrize("entities", [ROWS, {"driver_id": [1, 2]}], ids=["rows", "columns"])
def test_named_features_go_by_their_views(store, entities):
    """Entities by row or by column."""
    with watching() as captured:
        found = store.get_online_features(features=["stats:trips", "stats:rate", "roads:miles"], entity_rows=entities)
    assert found.to_dict()["miles"] == [7, 8]
    assert tree(captured) == ["feature_extraction roads, stats"]
    assert told(captured.extraction()) == ("feast", 2, 3)


def test_the_asynchronous_one_is_an_extraction_that_ends_when_it_is_awaited(store):
    """The application gets the same result or error as without otel_fe, also from a store that has no asynchronous reads."""
    service = store.get_feature_service("ranking")

    async def tried():
        try:
            return (await store.get_online_features_async(service, ROWS)).to_dict()
        except NotImplementedError as error:
            return type(error)

    alone = asyncio.run(tried())
    with watching() as captured:
        assert asyncio.run(tried()) == alone
    assert inspect.iscoroutinefunction(FeatureStore.get_online_features_async)
    span = captured.extraction("ranking")
    assert told(span) == ("feast", 2, 2)
    assert span.attributes.get("error.type") == (None if isinstance(alone, dict) else "NotImplementedError")
    assert "feature_extraction.cpu.time" in span.attributes


def test_an_unknown_feature_is_feast_s_own_error(store):
    """The span has the type of Feast's error, without its message."""
    with watching() as captured, pytest.raises(Exception, match="secret") as raised:
        store.get_online_features(["secret:value"], ROWS)
    span = captured.extraction("secret")
    assert span.attributes["error.type"].endswith(raised.type.__name__)
    assert "value" not in str(span.status.description)


def test_inside_an_extraction_it_is_a_child(store):
    """The application's own extraction is the outermost."""
    with watching() as captured, otel_fe.extraction("mine"):
        store.get_online_features(["stats:trips"], ROWS)
    assert tree(captured) == [("feature_extraction mine", "stats")]
    assert captured.total("feature_extraction.duration") == 1


def test_everything_is_put_back_and_no_value_is_recorded(store):
    """The class holds what it held; spans hold neither ids of entities nor values."""
    before = dict(vars(FeatureStore))
    with watching() as captured:
        assert dict(vars(FeatureStore)) != before
        assert str(inspect.signature(FeatureStore.get_online_features)).startswith("(self, features")
        store.get_online_features(["stats:trips"], [{"driver_id": 987654}])
    assert dict(vars(FeatureStore)) == before
    assert "987654" not in "".join(span.to_json() for span in captured.spans)
