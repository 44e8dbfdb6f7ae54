"""The usual value at a time of the day and of the week."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from otel_fe.errors import MissingExtraError
from otel_fe.units import DAY_S

if TYPE_CHECKING:
    from types import ModuleType

_HARMONICS: Final = 4
_WEEKEND_HARMONICS: Final = 2
_SATURDAY: Final = 5
_EPOCH_WEEKDAY: Final = 3
"""1 January 1970 was a Thursday."""
_WEAK_PRIOR: Final = 100.0


class Season:
    """A day's course, and how weekends differ from it: Bayesian regression on waves of the day, by river.

    Args:
        per_day: Points a day; older ones count half after five days.

    Raises:
        MissingExtraError: river is not installed.
    """

    def __init__(self, per_day: float) -> None:
        smoothing = 0.5 ** (1 / (5 * per_day))
        self._model: Any = _river().BayesianLinearRegression(alpha=_WEAK_PRIOR, smoothing=smoothing)

    def expected(self, unix_s: float) -> float:
        """Return what is usual at a time."""
        return float(self._model.predict_one(_features(unix_s)))

    def learn(self, unix_s: float, value: float) -> None:
        """Learn from one point."""
        self._model.learn_one(_features(unix_s), value)


def _features(unix_s: float) -> dict[str, float]:
    days, seconds = divmod(unix_s, DAY_S)
    phase = 2 * math.pi * seconds / DAY_S
    weekend = (int(days) + _EPOCH_WEEKDAY) % 7 >= _SATURDAY
    found = {"one": 1.0, "weekend": float(weekend)}
    for k in range(1, _HARMONICS + 1):
        found[f"sin{k}"], found[f"cos{k}"] = math.sin(k * phase), math.cos(k * phase)
        if k <= _WEEKEND_HARMONICS:
            found[f"weekend-sin{k}"], found[f"weekend-cos{k}"] = weekend * found[f"sin{k}"], weekend * found[f"cos{k}"]
    return found


def _river() -> ModuleType:
    try:
        from river import linear_model  # noqa: PLC0415 an extra, and seconds to import
    except ImportError as error:
        raise MissingExtraError("anomaly detection", "anomalies") from error
    found: ModuleType = linear_model
    return found
