"""Names of the log event of an alert, with their units and meanings; `semconv.py` holds all others."""

from __future__ import annotations

from functools import partial
from typing import Final

from otel_fe.semconv import Attribute, attribute

EVENT: Final = "feature_extraction.alert"
"""Name of the log event. Its time is that of the transition, its body says what is wrong."""
ATTRIBUTES: Final[list[Attribute]] = []
_attribute = partial(attribute, namespace=EVENT, among=ATTRIBUTES)

KEY: Final = _attribute("key", "string", "", "What it is deduplicated by.")
TYPE: Final = _attribute("type", "string", "", "What it is about, for example `latency_threshold`.")
STATE: Final = _attribute("state", "string", "", "`firing` or `resolved`.")
SEVERITY: Final = _attribute("severity", "string", "", "`page` or `ticket`.")
SUBJECT: Final = _attribute("subject", "string", "", "What was measured, for example `p95 latency`.")
TITLE: Final = _attribute("title", "string", "", "One line.")
OBSERVED: Final = _attribute("observed", "double", "", "The value, in the alert's unit.")
THRESHOLD: Final = _attribute("threshold", "double", "", "What it reached, in the same unit.")
UNIT: Final = _attribute("unit", "string", "", "Of both.")
SINCE: Final = _attribute("since", "double", "s", "Unix time at which its condition began to hold.")
CAUSE: Final = _attribute("cause", "string", "", "The likely cause; absent where none is known.")
EXEMPLARS: Final = _attribute("exemplars", "string[]", "", "Ids of traces that show it and are kept.")
FIRST_ACTION: Final = _attribute("first_action", "string", "", "The first thing to do.")
CAUSE_DETAIL: Final = _attribute("cause_detail", "string", "", "The likely cause in words, with its numbers.")
LINE: Final = _attribute("line", "string", "", "`file:line function` where most of the cause's time went.")
IMPACT: Final = _attribute("impact", "string", "", "How bad it is, as a person says it.")
INCIDENT: Final = _attribute("incident", "string", "", "The incident that the event speaks for.")
RELATED: Final = _attribute("related", "string[]", "", "Titles of the incident's other alerts.")
PAGE_URL: Final = _attribute("page_url", "string", "", "Address of the page at that time; with `OTEL_FE_PAGE_URL`.")
RUNBOOK_URL: Final = _attribute("runbook_url", "string", "", "Address of the runbook.")
RESOLUTION: Final = _attribute("resolution", "string", "", "Why it is resolved: `recovered` or `no data`.")
