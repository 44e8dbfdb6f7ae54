"""The requirements stand in one place: what is made from them has no numbers of its own."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path

import otel_fe
from otel_fe import requirements
from otel_fe.alerting.rule import DEFAULT_RULES
from otel_fe.config.openslo import default_slos, default_text
from otel_fe.config.process_sampling import process_sampling
from otel_fe.config.settings import Settings
from otel_fe.dashboard.health import TITLES

ROOT = Path(otel_fe.__file__).parent
WORDS = re.compile(r"\b100 ms\b|\b70 %|\b1 GB\b|\b100000000\b")


def test_ratios_and_words_follow_from_the_objectives():
    assert (requirements.SLOW_RATIO, requirements.HIT_RATIO, requirements.ERROR_RATIO) == (0.05, 0.7, 0.01)
    assert requirements.IN_WORDS == (
        "p95 below 100 ms, more than 70 % cache hits, less than 1 % errors, memory below 1 GB"
    )


def test_settings_and_the_default_policy_are_made_from_the_latency_limit():
    settings = Settings()
    assert settings.slow_threshold_s * 1e9 == requirements.LATENCY_LIMIT_NS
    assert settings.watch_threshold_s == settings.slow_threshold_s / 4
    assert process_sampling(settings).policies[1].threshold_ns == requirements.LATENCY_LIMIT_NS


def test_alerts_of_the_process_are_made_from_the_requirements():
    thresholds = [rule.threshold for rule in DEFAULT_RULES]
    assert thresholds[:3] == [requirements.LATENCY_LIMIT_MS, requirements.ERROR_RATIO, requirements.HIT_RATIO]
    assert thresholds[-1] * 1e6 == requirements.MEMORY_LIMIT_BYTES


def test_shipped_openslo_file_says_them_in_words_and_numbers():
    latency, hits, errors, memory = default_slos()
    assert (latency.objective, hits.objective, errors.objective, memory.objective) == tuple(
        Fraction(*objective)
        for objective in (
            requirements.LATENCY_OBJECTIVE,
            requirements.HIT_OBJECTIVE,
            requirements.SUCCESS_OBJECTIVE,
            requirements.MEMORY_OBJECTIVE,
        )
    )
    for words in (requirements.LATENCY, requirements.HITS, requirements.ERRORS, requirements.MEMORY):
        assert default_text().count(words) >= 2
        assert any(words in title for title in TITLES.values())


def test_pages_have_no_numbers_of_their_own():
    found = [path.name for path in (ROOT / "dashboard" / "templates").glob("*.html") if WORDS.search(path.read_text())]
    assert found == []
