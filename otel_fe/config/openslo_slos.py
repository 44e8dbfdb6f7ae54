"""The `spec` of an SLO document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_fe.config import kinds
from otel_fe.config.openslo_alerts import reference_or_inline, single
from otel_fe.config.openslo_kinds import (
    METADATA,
    STRICT,
    description,
    exact,
    name,
    one_of,
    ratio,
    unsupported,
)
from otel_fe.config.openslo_sources import Threshold, measured_against
from otel_fe.config.openslo_windows import time_window
from otel_fe.config.reading import Fields, Key, Refused, Section, suggest
from otel_fe.model.burn_alerts import recommend
from otel_fe.model.slo import Slo

if TYPE_CHECKING:
    from collections.abc import Mapping
    from fractions import Fraction

    from otel_fe.config.openslo_alerts import AlertPolicy
    from otel_fe.config.openslo_sources import Indication
    from otel_fe.config.reading import Kind, Place
    from otel_fe.model.slo import BurnAlert, Indicator

_OCCURRENCES: Final = (
    "a slice of time would weigh ten extractions as much as ten thousand; here each counts once: use Occurrences"
)
_SLICES: Final = "it belongs to budgetingMethod: Timeslices"
_COMPOSITE: Final = "write one SLO for each objective"


def slo_document(
    indications: Mapping[str, Indication | None],
    policies: Mapping[str, AlertPolicy | None],
    sections: tuple[Section[Any], Section[Any]],
) -> Kind[Slo]:
    """Return the kind of whole SLO documents.

    Args:
        indications: The SLIs of the file, by name; None for an invalid one.
        policies: The AlertPolicies of the file, by name; likewise.
        sections: The tables of an SLI's and of an AlertPolicy's `spec`, for inline ones.
    """
    document = Section(
        dict[str, Any],
        {
            "apiVersion": Key(kinds.text),
            "kind": Key(kinds.text),
            "metadata": Key(METADATA, required="give the metadata, with a name"),
            "spec": Key(_spec(indications, policies, sections), required="give the spec"),
        },
    )

    def read(place: Place) -> Slo:
        fields = document.fields(place)
        metadata, spec = fields["metadata"], fields["spec"]
        places = place.entries()["spec"].entries()
        before = len(place.report.problems)
        indicator = _indicator(places, spec)
        alerts = _alerts(places, spec)
        if len(place.report.problems) > before:
            raise Refused
        return Slo(
            metadata["name"],
            indicator,
            spec["objective"]["target"],
            spec["window"],
            alerts,
            strict=metadata.get("annotations", {}).get(STRICT) == "true",
            service=spec["service"],
            title=metadata.get("displayName", ""),
            description=spec.get("description", ""),
        )

    return read


def _indicator(places: Mapping[str, Place], spec: Mapping[str, Any]) -> Indicator:
    """Return the indicator; that of a threshold needs the objective's value."""
    found: Indication = spec["indication"]
    objective = spec["objective"]
    (place,) = places["objectives"].items()
    inner = place.entries()
    if isinstance(found, Threshold):
        for key in ("op", "value"):
            if key not in objective:
                place.refuse(f"a thresholdMetric needs {key}, to say which values are good", value=False)
        return measured_against(inner["value"], found, objective["op"], objective["value"])
    for key in {"op", "value"} & set(objective):
        inner[key].problem("only a thresholdMetric has this key; remove it", value=False)
    return found


def _alerts(places: Mapping[str, Place], spec: Mapping[str, Any]) -> tuple[BurnAlert, ...]:
    """Return the alerts of the policies, or without any, the recommended alerts that can fire."""
    objective: Fraction = spec["objective"]["target"]
    policies: tuple[AlertPolicy, ...] = spec.get("policies", ())
    if policies:
        items = places["alertPolicies"].items()
        found = (policy.alert(place, objective) for place, policy in zip(items, policies, strict=True))
        return tuple(alert for alert in found if alert is not None)
    recommended = recommend(objective, spec["window"].length_ns)
    for alert in recommended.alerts:
        if alert.note:
            share = f"{float(alert.share * 100):.4g}"
            places["objectives"].warn(f"{alert.note}; the {alert.severity} fires at {share} % bad instead")
    for note in recommended.left_out:
        places["objectives"].warn(note)
    return recommended.alerts


def _spec(
    indications: Mapping[str, Any], policies: Mapping[str, Any], sections: tuple[Section[Any], Section[Any]]
) -> Section[dict[str, Any]]:
    sli, policy = sections
    return Section(
        dict[str, Any],
        {
            "description": Key(description),
            "service": Key(name, required="give the service that it belongs to"),
            "indicator": Key(
                Section(
                    lambda spec, **_: spec, {"metadata": Key(METADATA), "spec": Key(sli, required="give the spec")}
                ),
                "indication",
            ),
            "indicatorRef": Key(_indicator_reference(indications), "indication"),
            "timeWindow": Key(
                single(time_window, "give one time window"),
                "windows",
                required="give one time window, for example {duration: 30d, isRolling: true}",
            ),
            "budgetingMethod": Key(_budgeting, field=None, required="give budgetingMethod: Occurrences"),
            "objectives": Key(single(_OBJECTIVE, f"give one objective; {_COMPOSITE}"), required="give one objective"),
            "alertPolicies": Key(
                kinds.list_of(reference_or_inline("AlertPolicy", "alertPolicyRef", policies, policy)), "policies"
            ),
        },
        _check_spec,
    )


def _check_spec(fields: Fields) -> None:
    one_of(fields, "indicator", "indicatorRef")
    for several, one in (("windows", "window"), ("objectives", "objective")):
        for value in fields.values.pop(several, ()):
            fields.values[one] = value


def _indicator_reference(known: Mapping[str, Indication | None]) -> Kind[Indication]:
    def read(place: Place) -> Indication:
        wanted = name(place)
        if wanted not in known:
            place.refuse(f"no SLI in this file has this name{suggest(wanted, known)}")
        found = known[wanted]
        if found is None:
            raise Refused
        return found

    return read


def _budgeting(place: Place) -> str:
    if kinds.string(place) in ("Timeslices", "RatioTimeslices"):
        place.refuse(_OCCURRENCES)
    return kinds.choice("Occurrences")(place)


def _good_below(place: Place) -> str:
    if kinds.string(place) in ("gt", "gte"):
        place.refuse("values below a limit are good: use lt or lte")
    return kinds.choice("lt", "lte")(place)


def _check_objective(fields: Fields) -> None:
    one_of(fields, "target", "targetPercent")


_OBJECTIVE: Final = Section(
    dict[str, Any],
    {
        "displayName": Key(kinds.string, field=None),
        "op": Key(_good_below),
        "value": Key(exact("use a number, in the metric's unit")),
        "target": Key(ratio(1)),
        "targetPercent": Key(ratio(100), "target"),
        "timeSliceTarget": Key(unsupported(_SLICES)),
        "timeSliceWindow": Key(unsupported(_SLICES)),
        "indicator": Key(unsupported(_COMPOSITE)),
        "indicatorRef": Key(unsupported(_COMPOSITE)),
        "compositeWeight": Key(unsupported(_COMPOSITE)),
    },
    _check_objective,
)
