"""The what-if page: the predicted p95 at another hit rate, or at another size of a pool."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from otel_fe.capacity.pool_traffic import pools_of
from otel_fe.dashboard.figures import figures_of
from otel_fe.dashboard.hit_rate_answer import at_hit_rate
from otel_fe.dashboard.pool_size_answer import at_pool_size
from otel_fe.errors import ConfigurationError
from otel_fe.forecast.forecast_error import ForecastError
from otel_fe.forecast.prediction import predict
from otel_fe.requirements import LATENCY_LIMIT_NS
from otel_fe.store import Selection

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.capacity.pool_traffic import PoolTraffic
    from otel_fe.dashboard.page_context import PageContext
    from otel_fe.dashboard.view_address import ViewAddress
    from otel_fe.dashboard.what_if_outcome import WhatIfOutcome
    from otel_fe.forecast.prediction import Prediction
    from otel_fe.store.observed import ObservedSample

_SAMPLE: Final = 5_000
_INSTANCES: Final = 200
_SEEN_OFTEN: Final = 4
"""Each process must have this many of the sampled traces, in the mean, for all to be counted."""
_INSTANCE: Final = "service.instance.id"
_FEW_UNKNOWN: Final = 0.01
_MOST: Final = 10_000
_WHOLE: Final = re.compile(r"[1-9][0-9]{0,4}")
_PERCENT: Final = re.compile(r"[0-9]{1,3}(\.[0-9]{1,6})?")


def what_if(stored: PageContext, address: ViewAddress, window: tuple[int, int]) -> dict[str, Any]:
    """Return the pools to choose from, and the answers: outcomes, why there is none, parameters that cannot be read.

    Raises:
        StoreError: The store cannot be read.
    """
    pools = pools_of(stored.reader.series, window, address.service or None)
    questions: list[tuple[str, str, Callable[[], WhatIfOutcome]]] = []
    if address.hit_rate:
        questions.append(("hit_rate", "Hit rate", lambda: _hit_rate(stored, address, window)))
    if address.pool_size:
        questions.append(("pool_size", "Pool size", lambda: _pool_size(stored, address, window, pools)))
    answers: list[dict[str, Any]] = []
    for name, title, ask in questions:
        try:
            answers.append({"name": name, "title": title, "outcome": ask(), "refused": "", "problem": ""})
        except ForecastError as error:
            answers.append({"name": name, "title": title, "outcome": None, "refused": str(error), "problem": ""})
        except ConfigurationError as error:
            answers.append({"name": name, "title": title, "outcome": None, "refused": "", "problem": str(error)})
    return {"pools": [{"label": one.label, "size": one.size} for one in pools], "answers": answers}


def _hit_rate(stored: PageContext, address: ViewAddress, window: tuple[int, int]) -> WhatIfOutcome:
    text = address.hit_rate.strip().removesuffix("%").strip()
    if not _PERCENT.fullmatch(text) or float(text) > 100:  # noqa: PLR2004 per cent
        raise ConfigurationError("hit rate", address.hit_rate, "use a number of per cent from 0 to 100, for example 85")
    sample, now = _sample(stored, address, window, address.service or None)
    return at_hit_rate(sample, now, float(text) / 100, _counted(stored, address, window, address.service or None))


def _pool_size(
    stored: PageContext, address: ViewAddress, window: tuple[int, int], pools: list[PoolTraffic]
) -> WhatIfOutcome:
    size = _whole_number("pool size", address.pool_size, "connections")
    processes = _whole_number("processes", address.processes, "processes") if address.processes.strip() else 0
    if not pools:
        raise ForecastError(
            "No pool reported its use in this window: how long connections are held is not known. Set "
            "OTEL_FE_CONNECTION_METRICS=true for the services, or make a CacheConnectionIntegration in them: then they send "
            "db.client.connection.use_time, and the other figures of SQLAlchemy's and redis-py's pools."
        )
    pool = next((one for one in pools if one.label == address.pool), None)
    if pool is None and address.pool:
        known = ", ".join(one.label for one in pools)
        raise ConfigurationError("pool", address.pool, f"use one that was used in this window: {known}")
    pool = pool or pools[0]
    sample, now = _sample(stored, address, window, pool.service)
    waits_s = sum(one.wait_total_s for one in pools if one.service == pool.service)
    part = pool.wait_total_s / waits_s if waits_s else 1.0
    counted = _counted(stored, address, window, pool.service)
    return at_pool_size(sample, now, pool, size, processes or _instances(stored, window, pool.service), part, counted)


def _whole_number(name: str, text: str, of: str) -> int:
    if not _WHOLE.fullmatch(text.strip()) or int(text) > _MOST:
        raise ConfigurationError(name, text, f"use a whole number of {of} from 1 to {_MOST}")
    return int(text)


def _sample(
    stored: PageContext, address: ViewAddress, window: tuple[int, int], service: str | None
) -> tuple[ObservedSample, Prediction]:
    """Return the kept extractions of the group, and what they take.

    Raises:
        ForecastError: There are no kept extractions, or their weights are unknown.
    """
    sample = stored.reader.observed(Selection(*window, service, address.feature_set or None), limit=_SAMPLE)
    read = len(sample.group) + sample.unknown
    if not read:
        raise ForecastError(
            "No extraction of this group is kept in this window. Choose a longer one, or another group."
        )
    if sample.unknown > _FEW_UNKNOWN * read:
        raise ForecastError(
            f"Of {read} kept extractions {sample.unknown} have an unknown weight: the sampler that kept them left no "
            "threshold in their tracestate (ot=th:…). Without weights a mix of kept traces is not the mix of all."
        )
    return sample, predict(
        [one.duration_ns for one in sample.group], [one.weight for one in sample.group], LATENCY_LIMIT_NS
    )


def _counted(stored: PageContext, address: ViewAddress, window: tuple[int, int], service: str | None) -> float | None:
    return figures_of(stored, window, service, address.feature_set or None)[0].p95_ns


def _instances(stored: PageContext, window: tuple[int, int], service: str) -> int:
    """Return how many processes of a service a sample of its kept traces is from; 1 where they do not say.

    Raises:
        ForecastError: There are so many processes that the sample will not have seen all of them.
    """
    counts = stored.reader.attribute_counts(Selection(*window, service), limit=_INSTANCES)
    found = max(1, len(counts.values.get(_INSTANCE, {})))
    if found > max(1, counts.sampled // _SEEN_OFTEN):
        raise ForecastError(
            f"{counts.sampled} kept traces are from {found} processes: there may be more. Say in how many processes the pool is."
        )
    return found
