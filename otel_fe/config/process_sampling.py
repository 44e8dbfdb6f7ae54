"""The default `tail_sampling` of a process without a configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from otel_fe.config.process_policies import ConsistentShare, LeastDuration, SloBreach, StatusCode, TailSampling
from otel_fe.model import decision
from otel_fe.model.span import ERROR
from otel_fe.units import NS_PER_S

if TYPE_CHECKING:
    from otel_fe.config.settings import Settings


def process_sampling(settings: Settings) -> TailSampling:
    """Return the policies that keep errors, slow traces, those that break an SLO, and a share of the rest.

    The first that samples names the reason.
    """
    return TailSampling(
        (
            StatusCode(decision.ERROR, frozenset([ERROR])),
            LeastDuration(decision.SLOW, int(settings.slow_threshold_s * NS_PER_S)),
            SloBreach(decision.SLO),
            ConsistentShare(decision.BASELINE, settings.baseline_ratio),
        )
    )
