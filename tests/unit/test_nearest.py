"""The name that was probably meant."""

from __future__ import annotations

from otel_fe.nearest import did_you_mean, nearest


def test_most_similar_name_is_found():
    assert nearest("transformer", ("torch", "transformers", "hamilton")) == "transformers"
    assert did_you_mean("rediss", ("ray", "redis")) == "; did you mean redis?"


def test_nothing_similar_is_no_suggestion():
    assert nearest("zebra", ("torch", "ray")) == ""
    assert did_you_mean("zebra", ()) == ""
    assert nearest("torhc", ("torch",), similarity=0.9) == ""
