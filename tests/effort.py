"""The number of examples that a property is tried with."""

from __future__ import annotations

from hypothesis import settings


def examples(usual: int) -> int:
    """Return how many examples a property is tried with: `usual` ones, or as many fewer as the profile in force tries fewer than 100."""
    return max(1, usual * settings.default.max_examples // 100)
