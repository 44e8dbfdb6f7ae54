"""Settings of the dashboard's server, for `otel-fe dashboard` and the other commands that serve it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final, NamedTuple


class OptionNames(NamedTuple):
    """The names of the options, for messages."""

    listen: str = "--listen"
    token: str = "--token"  # noqa: S105 its name
    token_file: str = "--token-file"  # noqa: S105
    host: str = "--host"
    trace_url: str = "--trace-url"
    grafana_url: str = "--grafana-url"


OWN: Final = OptionNames()
"""Options of `otel-fe dashboard`."""
OF_OTHERS: Final = OptionNames("--dashboard", "--dashboard-token", "--dashboard-token-file", "--dashboard-host")
"""Options of commands that serve the dashboard too: there the bare names would be about their own addresses."""


@dataclass(frozen=True, slots=True)
class DashboardSettings:
    """The settings of the server, as given and unchecked."""

    listen: str
    """`host:port`."""
    token: str = ""
    """Empty for none."""
    hosts: tuple[str, ...] = ()
    """Host names that it answers to, off loopback."""
    trace_urls: tuple[str, ...] = ()
    """`[NAME=]URL`, where else traces are."""
    grafana_url: str = ""
    """Address of the Grafana with the rendered dashboards; empty for no links."""
    names: OptionNames = OWN

    def as_dict(self) -> dict[str, Any]:
        """Return the same for JSON. It holds the token."""
        return asdict(self)

    @classmethod
    def from_dict(cls, told: dict[str, Any]) -> DashboardSettings:
        """Return the settings that `as_dict` was called on."""
        names = OptionNames(*told["names"])
        return cls(
            told["listen"], told["token"], tuple(told["hosts"]), tuple(told["trace_urls"]), told["grafana_url"], names
        )
