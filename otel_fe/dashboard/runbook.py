"""The runbook that alerts link to: the first action, by likely cause and by alert type."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from otel_fe import semconv
from otel_fe.alerting.alert import AlertType
from otel_fe.alerting.first_action import first_action
from otel_fe.dashboard.comparison import NAMES
from otel_fe.pipeline.attribution import CAUSES

_MEANINGS: Final = {one.name: one.meaning for one in semconv.ATTRIBUTES}
_BEFORE: Final = "On slow extractions: "
_AFTER: Final = "; absent where none."


class RunbookEntry(NamedTuple):
    """The entry of one alert type or cause."""

    anchor: str
    """The part of the address behind `#`."""
    name: str
    meaning: str
    action: str


def runbook() -> dict[str, Any]:
    """Return what the page shows."""
    causes = [
        RunbookEntry(cause, NAMES.get(cause, cause), _meaning(cause), first_action(AlertType.LATENCY_THRESHOLD, cause))
        for cause in CAUSES
    ]
    kinds = [
        RunbookEntry(one.value, one.value.replace("_", " ").capitalize(), "", first_action(one, ""))
        for one in AlertType
    ]
    return {"sections": [("By likely cause", causes), ("By what the alert is about", kinds)]}


def _meaning(cause: str) -> str:
    words = _MEANINGS[semconv.TIME[cause]].removeprefix(_BEFORE).removesuffix(_AFTER)
    return f"{words[:1].upper()}{words[1:]}."
