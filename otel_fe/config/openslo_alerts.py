"""AlertPolicy and AlertCondition: thresholds of burn rates, and their windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from otel_fe.config import kinds
from otel_fe.config.openslo_kinds import METADATA, description, exact, name, one_of, span, span_or_zero, unsupported
from otel_fe.config.reading import Fields, Key, Refused, Section, suggest
from otel_fe.model.burn_alerts import BURN, out_of_reach
from otel_fe.model.slo import BurnAlert, show_number

if TYPE_CHECKING:
    from collections.abc import Mapping
    from fractions import Fraction

    from otel_fe.config.reading import Kind, Place


@dataclass(frozen=True, slots=True)
class AlertCondition:
    """An AlertCondition: more than `threshold` times the budget's rate over the window."""

    severity: str
    threshold: Fraction
    lookback_ns: int
    after_ns: int = 0


@dataclass(frozen=True, slots=True)
class AlertPolicy:
    """An AlertPolicy."""

    condition: AlertCondition
    targets: tuple[str, ...] = ()
    """Names that a router of alerts may use."""

    def alert(self, place: Place, objective: Fraction) -> BurnAlert | None:
        """Return the alert of an SLO that names this policy at `place`; None, and a problem there, where it cannot fire."""
        condition = self.condition
        share = condition.threshold * (1 - objective)
        problem = out_of_reach(share, objective)
        if objective == 1:
            problem = "an objective of 100 % has no budget to burn; leave alertPolicies out"
        if problem:
            most = "" if objective == 1 else f"; use a threshold below {show_number(1 / (1 - objective))}"
            place.problem(f"{problem}{most}", value=False)
            return None
        return BurnAlert(
            BURN, condition.severity, condition.lookback_ns, 0, share, condition.after_ns, targets=self.targets
        )


def _threshold(place: Place) -> Fraction:
    value = exact("use a burn rate: a number above 0")(place)
    return value if value > 0 else place.refuse("use a burn rate: a number above 0")


def _op(place: Place) -> str:
    value = kinds.string(place)
    if value in ("lt", "lte"):
        place.refuse("an alert fires above a burn rate: use gt or gte")
    return kinds.choice("gt", "gte")(place)


CONDITION: Final = Section(
    lambda severity, condition: AlertCondition(severity, **condition),
    {
        "description": Key(description, field=None),
        "severity": Key(kinds.text, required="give the severity, for example page"),
        "condition": Key(
            Section(
                dict[str, Any],
                {
                    "kind": Key(kinds.choice("burnrate"), field=None),
                    # Both are the same here: what is as large as the threshold is not surely above it.
                    "op": Key(_op, field=None, required="give op: gt"),
                    "threshold": Key(_threshold, required="give the threshold, a burn rate"),
                    "lookbackWindow": Key(span, "lookback_ns", required="give the lookbackWindow, for example 1h"),
                    "alertAfter": Key(span_or_zero, "after_ns"),
                },
            ),
            required="give the condition",
        ),
    },
)
"""The `spec` of an AlertCondition."""


def policy_section(conditions: Mapping[str, AlertCondition]) -> Section[AlertPolicy]:
    """Return the table of an AlertPolicy's `spec`; `conditions` are the file's, by name."""
    one = reference_or_inline("AlertCondition", "conditionRef", conditions, CONDITION)
    return Section(
        lambda conditions, notificationTargets=(): AlertPolicy(conditions[0], notificationTargets),  # noqa: N803 the key's own name
        {
            "description": Key(description, field=None),
            "alertWhenBreaching": Key(_only_true("an alert always notifies when it fires"), field=None),
            "alertWhenResolved": Key(
                _only_true("resolved alerts are always sent; their receiver may drop them"), field=None
            ),
            "alertWhenNoData": Key(
                _only_false("missing extractions are a throughput drop, which has its own alert"), field=None
            ),
            "conditions": Key(single(one, "give one condition"), required="give one condition"),
            "notificationTargets": Key(kinds.list_of(_TARGET)),
        },
    )


def single(kind: Kind[Any], wanted: str) -> Kind[tuple[Any, ...]]:
    """Return the kind of lists that hold exactly one."""

    def read(place: Place) -> tuple[Any, ...]:
        if len(place.items()) > 1:
            place.refuse(f"{wanted}; this has {len(place.items())}", value=False)
        return kinds.list_of(kind, least=1, wanted=wanted)(place)

    return read


def reference_or_inline(document: str, key: str, known: Mapping[str, Any], spec: Section[Any]) -> Kind[Any]:
    """Return the kind of items that name a document of the file under `key`, or hold its content."""

    def reference(place: Place) -> Any:
        wanted = name(place)
        if wanted not in known:
            place.refuse(f"no {document} in this file has this name{suggest(wanted, known)}")
        if known[wanted] is None:
            raise Refused  # its own problems are recorded at its place
        return known[wanted]

    def check(fields: Fields) -> None:
        one_of(fields, key, "spec", f"give either {key} or a {document} with its spec")

    return Section(
        lambda found=None, spec=None, **_: found if found is not None else spec,
        {
            key: Key(reference, "found"),
            "apiVersion": Key(kinds.choice("openslo/v1"), field=None),
            "kind": Key(kinds.choice(document), field=None),
            "metadata": Key(METADATA, field=None),
            "spec": Key(spec),
        },
        check,
    )


def _only_true(why: str) -> Kind[None]:
    return lambda place: None if kinds.boolean(place) else place.refuse(f"{why}: use true, or omit it")


def _only_false(why: str) -> Kind[None]:
    return lambda place: place.refuse(f"{why}: use false, or omit it") if kinds.boolean(place) else None


_INLINE: Final = "name it with targetRef; the receiver of the alert routes it"
_TARGET: Final = Section(
    lambda targetRef: targetRef,  # noqa: N803 the key's own name
    {
        "targetRef": Key(name, required="give the targetRef"),
        **{key: Key(unsupported(_INLINE)) for key in ("apiVersion", "kind", "metadata", "spec")},
    },
)
