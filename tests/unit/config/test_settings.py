"""The `OTEL_FE_*` variables."""

from __future__ import annotations

import pytest

from otel_fe.config.settings import read_settings
from otel_fe.errors import ConfigurationError


def test_variables_of_other_parts_are_not_refused():
    """The dashboard's token may stand in the shell that an instrumented service is started from; and is not shown."""
    token = "a-token-of-some-length"
    settings = read_settings(
        {"OTEL_FE_DASHBOARD_TOKEN": token, "OTEL_FE_COLLECTOR_IMAGE": "x", "OTEL_FE_MAX_SERIES": "7"}
    )
    assert settings.max_series == 7
    assert token not in repr(settings)


def test_a_variable_that_is_nobodys_is_refused():
    """An unknown `OTEL_FE_*` variable is refused, with the nearest valid name."""
    with pytest.raises(ConfigurationError, match="no such variable; did you mean OTEL_FE_MAX_SERIES"):
        read_settings({"OTEL_FE_MAX_SERIE": "7"})
