"""The vote of a policy on a trace."""

from __future__ import annotations

from typing import Final

from otel_fe.model.probability import ALWAYS, NEVER
from otel_fe.model.sampling_probability import SamplingProbability

NOT_SAMPLED: Final = 0
SAMPLED: Final = 1
DROPPED: Final = 2
FAILED: Final = 3
"""The policy could not be evaluated; it counts neither for nor against."""

KINDS: Final = ("not sampled", "sampled", "dropped", "failed")
"""Their names, by number."""

Vote = tuple[int, SamplingProbability, object]
"""Its kind; with what probability the policy samples traces like this one, whatever came of it here; what the policy saw.

A plain tuple: one is made for every policy and trace.
"""

YES: Final[Vote] = (SAMPLED, ALWAYS, None)
NO: Final[Vote] = (NOT_SAMPLED, NEVER, None)
