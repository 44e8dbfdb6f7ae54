"""A fitted model with its error on held-back windows, and its confidence."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_fe.capacity.model import ALL, P95, bins, fit, merged, rate_of
from otel_fe.capacity.stations import LEAST_UNSTARTED, MOST_UNSTARTED
from otel_fe.forecast.forecast_error import ForecastError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.capacity.measured import MeasuredService, ServiceWindow
    from otel_fe.capacity.model import Model
    from otel_fe.forecast.prediction import Observed

FEWEST_WINDOWS: Final = 12
FEWEST_A_WINDOW: Final = 30
VARIED: Final = 1.25
"""Least ratio of a busy window's rate to a quiet one's (9th and 1st tenth) that shows the effect of load."""
LARGEST_ERROR: Final = 0.2
"""Largest median error of p95 on held-back windows; on the busiest, 1.5 times as much."""
_HELD_BACK: Final = 5
_DRAWS: Final = 24
_SEED: Final = 1_917
_LEAST_SPREAD: Final = 0.03
_OVERLOADED: Final = 10.0


@dataclass(frozen=True, slots=True)
class Check:
    """The errors of predictions for held-back windows."""

    windows: int
    """The number of held-back windows."""
    median_error: float
    """Median relative error of p95."""
    busiest_error: float
    """Relative error on the busiest of them, whose rate no shown window had."""
    spread: float
    """Root mean square of the logarithms of measured over predicted."""

    @property
    def good(self) -> bool:
        """Return whether the model may answer."""
        return self.median_error <= LARGEST_ERROR and self.busiest_error <= 1.5 * LARGEST_ERROR


@dataclass(frozen=True, slots=True)
class Draw:
    """A model of windows and extractions drawn again, with two numbers of the standard normal distribution for its own errors.

    Held-back windows show the error of p95, but not whether it comes from durations or from the demand on a resource. The first
    error shifts durations, but hardly the knee, where they rise steeply; the second shifts all rates, including the knee.
    """

    model: Model
    off: float
    stretch: float

    def durations_factor(self, spread: float) -> float:
        """Return the factor of all durations, given the spread of logarithms on held-back windows."""
        return math.exp(spread * self.off)

    def rates_factor(self, spread: float) -> float:
        """Return the factor of all rates, given the same spread."""
        return math.exp(spread * self.stretch)


@dataclass(frozen=True, slots=True)
class Fitted:
    """A checked model."""

    measured: MeasuredService
    model: Model
    checks: dict[str | None, Check]
    """Keyed by feature set; None for all of them."""
    draws: tuple[Draw, ...]
    most_rate: float
    """The highest rate of a window."""


def fitted(measured: MeasuredService) -> Fitted:
    """Fit a service's model and check it.

    Raises:
        ForecastError: There is too little data, no variation in load, or a model that does not describe this service.
    """
    windows = [one for one in measured.windows if one.count >= FEWEST_A_WINDOW]
    _enough(windows)
    shown, held = _split(windows)
    model = fit(measured, shown, measured.rows)
    if not model.stations:
        raise ForecastError(
            "Neither CPU time nor a pool of this service is measured, so no resource can be modelled. Processes with this version "
            "of otel_fe report their CPU time; OTEL_FE_CONNECTION_METRICS=true measures pools."
        )
    checks = {name: _check(model, held, name) for name in model.mixes}
    if not checks[ALL].good:
        raise ForecastError(_bad(checks[ALL]))
    whole = fit(measured, windows, measured.rows)
    rng, stretches = random.Random(_SEED), random.Random(_SEED + 1)
    draws = []
    for _ in range(_DRAWS):
        try:
            draws.append(Draw(_drawn(measured, windows, rng), rng.gauss(0, 1), stretches.gauss(0, 1)))
        except ForecastError:
            continue
    if len(draws) < _DRAWS // 2:
        raise ForecastError(
            "The model is unstable: fewer than half of the resamples of its own data could be fitted. Choose a longer window."
        )
    return Fitted(measured, whole, checks, tuple(draws), max(one.rate for one in windows))


def _enough(windows: Sequence[ServiceWindow]) -> None:
    if len(windows) < FEWEST_WINDOWS:
        raise ForecastError(
            f"Only {len(windows)} intervals have at least {FEWEST_A_WINDOW} extractions; {FEWEST_WINDOWS} are needed. Choose a "
            "longer window."
        )
    rates = sorted(one.rate for one in windows)
    low, high = rates[len(rates) // 10], rates[-1 - len(rates) // 10]
    if high < VARIED * low:
        raise ForecastError(
            f"The load hardly varied ({low:.4g} to {high:.4g} extractions/s), so the effect of more load cannot be estimated. "
            f"Choose a window with quiet and busy hours, at least a factor of {VARIED:g} apart."
        )


def _split(windows: Sequence[ServiceWindow]) -> tuple[list[ServiceWindow], list[ServiceWindow]]:
    """Return the windows that the model is fitted to and those held back: the busiest fifth, and every fifth of the others."""
    busiest = {id(one) for one in sorted(windows, key=lambda one: -one.rate)[: len(windows) // _HELD_BACK]}
    others = [one for one in windows if id(one) not in busiest]
    back = busiest | {id(one) for one in others[_HELD_BACK - 1 :: _HELD_BACK]}
    return [one for one in windows if id(one) not in back], [one for one in windows if id(one) in back]


def _check(model: Model, held: Sequence[ServiceWindow], feature_set: str | None) -> Check:
    logs = []
    for group in bins(held, feature_set, 8, 200):
        counted = merged(group, feature_set).quantile(P95)
        predicted = model.p95_s(feature_set, rate_of(group))
        if counted:
            logs.append(math.log(min(max(counted / predicted if predicted else 1.0, 1 / _OVERLOADED), _OVERLOADED)))
    if not logs:
        return Check(0, math.inf, math.inf, math.inf)
    errors = [abs(math.expm1(-one)) for one in logs]
    spread = math.sqrt(math.fsum(one * one for one in logs) / len(logs))
    return Check(len(held), sorted(errors)[len(errors) // 2], errors[-1], max(_LEAST_SPREAD, spread))


def _bad(check: Check) -> str:
    return (
        f"On {check.windows} stretches of time that the model had not been shown, p95 was {100 * check.median_error:.0f} % off in "
        f"the median and {100 * check.busiest_error:.0f} % at the highest load: it does not describe this service, so that "
        "nothing is said of other loads."
    )


def _drawn(measured: MeasuredService, windows: Sequence[ServiceWindow], rng: random.Random) -> Model:
    chosen = sorted((rng.randrange(len(windows)) for _ in windows), key=lambda place: windows[place].since_ns)
    rows: list[Observed] = rng.choices(measured.rows, k=len(measured.rows))
    unstarted = rng.uniform(LEAST_UNSTARTED, MOST_UNSTARTED)
    return fit(measured, [windows[place] for place in chosen], rows, unstarted)
