"""A case of the corpus: settings in the Collector's own YAML, spans in the batches in which they arrive, and what is compared."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from otel_fe.model.span import Span


class Later(Enum):
    """A pause between batches, long enough for everything that came before it to be decided and flushed."""

    LATER = 2.6
    """Seconds: the original decides one to two seconds after the first span, and flushes each second."""


LATER = Later.LATER


@dataclass(frozen=True)
class Case:
    """One edge.

    A list of spans in `batches` is one export request: consecutive spans with the same resource and scope object
    share theirs on the wire, all others get their own.
    """

    name: str
    """The edge, as in `exactly_at_the_threshold`; unique in its group."""
    batches: Sequence[Sequence[Span] | Later]
    tail_sampling: str | None = None
    """The settings of a `tail_sampling` processor, YAML; None to go without. `decision_wait` is 1 s where it is not given."""
    span_metrics: str | None = None
    """The settings of a `span_metrics` connector, YAML; None to go without. Flushed each second where nothing is given."""
    totals_only: str = ""
    """Why the original's answer depends on chance; then only how much was kept is compared, not what."""
    group: str = ""
    """The module that defines it."""

    @property
    def id(self) -> str:
        """Return the case's name in recorded.json and in pytest."""
        return f"{self.group}/{self.name}"

    def tail_sampling_yaml(self) -> str:
        """Return the settings of its processor, complete."""
        return _with_default(self.tail_sampling or "", "decision_wait", "1s")

    def span_metrics_yaml(self) -> str:
        """Return the settings of its connector, complete."""
        return _with_default(self.span_metrics or "", "metrics_flush_interval", "1s")

    def phases(self) -> list[list[Sequence[Span]]]:
        """Return the batches between one pause and the next."""
        phases: list[list[Sequence[Span]]] = [[]]
        for batch in self.batches:
            if isinstance(batch, Later):
                phases.append([])
            else:
                phases[-1].append(batch)
        return phases


def _with_default(settings: str, key: str, value: str) -> str:
    settings = textwrap.dedent(settings).strip()
    if f"{key}:" in settings:
        return settings + "\n"
    return f"{key}: {value}\n{settings}\n"


def sampling(*policies: str, settings: str = "") -> str:
    """Return the YAML of a `tail_sampling` processor with these policies, each a flow mapping."""
    lines = [textwrap.dedent(settings).strip(), "policies:", *(f"  - {policy}" for policy in policies)]
    return "\n".join(line for line in lines if line)


def grouped(group: str, cases: Sequence[Case]) -> list[Case]:
    """Return the cases of a module, which know where they stand."""
    named = [replace(case, group=group) for case in cases]
    names = [case.name for case in named]
    assert len(set(names)) == len(names), f"{group}: {sorted(name for name in names if names.count(name) > 1)}"
    for case in named:
        assert (case.tail_sampling is None) <= (case.span_metrics is not None), f"{case.id} sets nothing up"
    return named
