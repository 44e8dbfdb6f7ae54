"""The answers of the tools, from a store: exact figures, the cause with its line, and links to the pages that show it.

Names of feature sets, functions and spans, durations, counts, and statements without values are included. Attributes, messages of
exceptions, logs and feature values are not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final

from otel_fe.dashboard.alert_list import alerts_of
from otel_fe.dashboard.changes import changes_of
from otel_fe.dashboard.overview import groups_in
from otel_fe.dashboard.page_response import plain
from otel_fe.dashboard.reasons import reason_of
from otel_fe.dashboard.slo_view import slo_view
from otel_fe.dashboard.trace_view import TRACE_ID
from otel_fe.dashboard.view_address import ViewAddress
from otel_fe.dashboard.what_if import what_if
from otel_fe.errors import OtelFeError
from otel_fe.mcp.traces import trace_answer
from otel_fe.nearest import nearest_few
from otel_fe.requirements import LATENCY_LIMIT_NS
from otel_fe.store import Selection
from otel_fe.store.store_error import StoreMissingError
from otel_fe.units import MINUTE_NS, NS_PER_MS

if TYPE_CHECKING:
    from otel_fe.dashboard.page_context import PageContext
    from otel_fe.dashboard.reasons import FeatureSetReason

_TRACES: Final = 3
_EXPLAINED: Final = 8
"""Feature sets whose causes are worked out: those with most slow extractions."""
_CHANGES: Final = 10


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers about one store. Safe to share between threads."""

    context: PageContext
    page: str = ""
    """Address of the dashboard over the same store; empty for no links."""

    def slow(self, minutes: float | None, service: str | None, feature_set: str | None) -> dict[str, Any]:
        """Return what is slow and why, by feature set."""
        window = self._window(minutes)
        rows = groups_in(self.context, window, service, feature_set)
        if not rows:
            return {**self._when(window), "feature_sets": [], "note": self._nothing(service, feature_set)}
        found = []
        for number, row in enumerate(rows):
            one = self._figures(row, window)
            if number < _EXPLAINED:
                one |= self._reason(self._reason_of(row, window))
            found.append(one)
        return {**self._when(window), "feature_sets": found, "page": self._link("/", window, service, feature_set)}

    def why(self, feature_set: str, minutes: float | None, service: str | None) -> dict[str, Any]:
        """Return all that is known of why one feature set is slow, with traces that show it."""
        window = self._window(minutes)
        rows = groups_in(self.context, window, service, feature_set)
        if not rows:
            return {**self._when(window), "note": self._nothing(service, feature_set)}
        row = rows[0]
        reason = self._reason_of(row, window)
        causes = [
            {
                "cause": one.cause,
                "share_of_slow_time": one.share,
                "share_it_costs": one.cost_share,
                "p95_of_slow_without_it_ms": _ms(one.quantile_without_ns),
            }
            for one in (reason.causes.ranked if reason.causes.of_slow else ())
        ]
        selection = Selection(*window, row["service"], row["feature_set"], min_duration_ns=LATENCY_LIMIT_NS)
        slowest = self.context.reader.traces.find(selection, order="slowest", limit=_TRACES)
        traces = [
            {
                "trace_id": f"{one.trace_id:032x}",
                "duration_ms": _ms(one.extraction.duration_ns),
                "page": self._trace(one.trace_id),
            }
            for one in slowest
        ]
        found = {**self._when(window), **self._figures(row, window), **self._reason(reason)}
        return {**found, "causes": causes, "slowest_kept_traces": traces}

    def changed(self, hours: float, service: str | None, feature_set: str | None) -> dict[str, Any]:
        """Return deployments, restarts and resized pools and caches, each with its effect."""
        now = self.context.now_ns()
        window = (now - round(hours * 60 * MINUTE_NS), now + 1)
        found = [
            {
                "at": _iso(one.mark.time_ns),
                "service": one.mark.service,
                "kind": one.mark.kind,
                "title": one.title,
                "effect": one.effect,
                "p95_before_ms": None if one.compared is None else one.compared.p95.before / NS_PER_MS,
                "p95_after_ms": None if one.compared is None else one.compared.p95.after / NS_PER_MS,
                "significant": None if one.compared is None else one.compared.p95.significant,
                "predicted_p95_difference_ms": _ms(one.predicted_ns),
                "verified": one.verified,
                "page": self._link("/explore", (one.before[0], one.after[1]), one.mark.service, feature_set),
            }
            for one in changes_of(self.context, window, service, feature_set, most=_CHANGES)
        ]
        return {**self._when(window), "changes": found}

    def trace(self, trace_id: str) -> dict[str, Any]:
        """Return what a trace did, why it was slow or failed, and why it was kept.

        Raises:
            OtelFeError: The text is no trace id.
        """
        wanted = trace_id.strip().lower()
        if not TRACE_ID.fullmatch(wanted):
            raise OtelFeError(f"{trace_id[:80]!r} is no trace id: use 32 hexadecimal digits")
        found = trace_answer(self.context, wanted)
        return {**found, "page": self._trace(int(wanted, 16))}

    def slos(self, slo: str | None, service: str | None, feature_set: str | None) -> dict[str, Any]:
        """Return what each objective has left, the most urgent first."""
        address = ViewAddress(service=service or "", feature_set=feature_set or "")
        names = ("slo", "service", "feature_set", "objective", "window", "good_ratio", "bad", "total", "met", "firing")
        states = [one for one in slo_view(self.context, address)["states"] if slo in (None, one["slo"])]
        found = [
            {
                **{name: one[name] for name in names},
                "budget_remaining_ratio": one["remaining"],
                "counting_began_within_the_window": one["short"],
                "page": self._link("/slo", None, one["service"], one["feature_set"], slo=one["slo"]),
            }
            for one in states
        ]
        known = sorted({one.name for one in self.context.slos})
        return {"objectives": found} if found else {"objectives": [], "note": f"the objectives are {', '.join(known)}"}

    def alerts(self, service: str | None, feature_set: str | None) -> dict[str, Any]:
        """Return the alerts that are true now."""
        found = [
            {
                "title": one.title,
                "severity": one.severity,
                "service": one.service,
                "feature_set": one.feature_set,
                "detail": one.detail,
                "silenced": one.silence is not None,
                "cause": "" if one.report is None else one.report.cause_detail,
                "first_action": "" if one.report is None else one.report.first_action,
            }
            for one in alerts_of(self.context, service, feature_set)
        ]
        return {"alerts": found, "page": self._link("/alerts", None, service, feature_set)}

    def what_if(self, minutes: float | None, service: str | None, asked: dict[str, str]) -> dict[str, Any]:
        """Return what p95 would be with another size of a pool, or another hit rate, and how sure that is.

        Args:
            minutes: The window.
            service: Of the extractions.
            asked: As the page's address has it: `pool`, `pool_size`, `processes`, `hit_rate`, `feature_set`.
        """
        window = self._window(minutes)
        address = ViewAddress(service=service or "").with_(**asked)
        found = what_if(self.context, address, window)
        answers = [self._outcome(one) for one in found["answers"]]
        return {**self._when(window), "pools": plain(found["pools"]), "answers": answers}

    @staticmethod
    def _outcome(one: dict[str, Any]) -> dict[str, Any]:
        outcome = one["outcome"]
        if outcome is None:
            return {"no_answer_because": one["refused"] or one["problem"]}
        now, then = outcome.now, outcome.then
        return {
            "asked": outcome.asked,
            "p95_now_ms": _ms(now.quantile_ns),
            "p95_then_ms": _ms(then.quantile_ns),
            "p95_then_interval_ms": [_ms(then.low_ns), _ms(then.high_ns)],
            "under_100_ms_now_ratio": now.under_share,
            "under_100_ms_then_ratio": then.under_share,
            "confidence": outcome.confidence,
            "because": list(outcome.because),
            "arithmetic": list(outcome.arithmetic),
            "assumptions": list(outcome.assumptions),
        }

    def _window(self, minutes: float | None) -> tuple[int, int]:
        """Return the window of some minutes until now; the last hour of data where none are given.

        Raises:
            OtelFeError: There is no data.
        """
        try:
            fitted = self.context.fitted_window()
        except StoreMissingError as error:
            raise OtelFeError(str(error)) from None
        if fitted is None:
            raise OtelFeError(f"{self.context.directory}: no extractions are stored yet")
        if minutes is None:
            return fitted
        now = self.context.now_ns()
        return now - round(minutes * MINUTE_NS), now

    def _reason_of(self, row: dict[str, Any], window: tuple[int, int]) -> FeatureSetReason:
        figures = row["figures"]
        return reason_of(self.context, window, (row["service"], row["feature_set"]), figures.p95_ns, figures.slow)

    @staticmethod
    def _reason(reason: FeatureSetReason) -> dict[str, Any]:
        explanation = reason.explanation
        return {
            "sentence": explanation.sentence(),
            "cause": explanation.cause,
            "call": explanation.call,
            "line": explanation.line,
            "what_to_do": [plain(one["action"]) for one in reason.advice],
        }

    def _figures(self, row: dict[str, Any], window: tuple[int, int]) -> dict[str, Any]:
        figures = row["figures"]
        return {
            "service": row["service"],
            "feature_set": row["feature_set"],
            "extractions": figures.extractions,
            "per_s": figures.per_s,
            "took_100_ms_or_more": figures.slow,
            "p50_ms": _ms(figures.p50_ns),
            "p95_ms": _ms(figures.p95_ns),
            "p99_ms": _ms(figures.p99_ns),
            "error_ratio": figures.error_ratio,
            "cache_hit_ratio": figures.hit_ratio,
            "page": self._link("/explore", window, row["service"], row["feature_set"]),
        }

    def _nothing(self, service: str | None, feature_set: str | None) -> str:
        """Return why there is nothing: names that do not exist, with near ones, or a time without data."""
        rows = groups_in(self.context, (0, self.context.now_ns() + 1), None, None)
        for what, name, key in (("service", service, "service"), ("feature set", feature_set, "feature_set")):
            names = sorted({row[key] for row in rows})
            if name is not None and name not in names:
                near = nearest_few(name, names, 3) or names[:10]
                return f"no {what} {name[:80]!r} is stored; there are {', '.join(near)}"
        return "no extractions in this window; ask for more minutes"

    def _when(self, window: tuple[int, int]) -> dict[str, Any]:
        return {"since": _iso(window[0]), "until": _iso(window[1])}

    def _link(
        self, path: str, window: tuple[int, int] | None, service: str | None, feature_set: str | None, slo: str = ""
    ) -> str:
        if not self.page:
            return ""
        since, until = ("", "") if window is None else (f"{ns // 1_000_000}" for ns in window)
        address = ViewAddress(since=since, until=until, service=service or "", feature_set=feature_set or "", slo=slo)
        return self.page + address.url(path)

    def _trace(self, trace_id: int) -> str:
        return f"{self.page}/trace/{trace_id:032x}" if self.page else ""


def _ms(value_ns: float | None) -> float | None:
    return None if value_ns is None else value_ns / NS_PER_MS


def _iso(unix_ns: int) -> str:
    return datetime.fromtimestamp(unix_ns / 1e9, timezone.utc).isoformat(timespec="seconds")
