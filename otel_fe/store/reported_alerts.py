"""Alerts that processes reported by log events, beside the store: cause, traces and first action of each.

A separate file, since any worker of a collector may write it. It can be removed at any time.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from google.protobuf.message import DecodeError
from opentelemetry.proto.logs.v1.logs_pb2 import LogsData

from otel_fe import alert_event, semconv
from otel_fe.units import DAY_NS

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

FILE_NAME: Final = "told_alerts.sqlite3"  # written by earlier versions too
MOST: Final = 1_000
"""Alerts that are kept: the newest."""
_KEPT_NS: Final = 7 * DAY_NS
_LONGEST: Final = 4_000
"""Characters of a text."""
_BUSY_S: Final = 1.0
_TABLE: Final = """CREATE TABLE IF NOT EXISTS told (
    service TEXT NOT NULL, key TEXT NOT NULL, time_ns INTEGER NOT NULL, document TEXT NOT NULL, PRIMARY KEY (service, key))"""
_NAME: Final = alert_event.EVENT.encode()


@dataclass(frozen=True, slots=True)
class ReportedAlert:
    """An alert as its process reported it."""

    service: str
    feature_set: str
    type: str
    title: str
    text: str
    """All of it, a line for each thing."""
    cause: str
    cause_detail: str
    line: str
    first_action: str
    since_unix_s: float
    exemplars: tuple[str, ...]


class ReportedAlerts:
    """The reported alerts of a store. Safe to share between threads and processes.

    Args:
        directory: The store's.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE_NAME

    def take(self, payload: bytes, now_ns: int) -> int:
        """Take log records as they were exported; return how many of them were alerts. Others are not looked at.

        Raises:
            sqlite3.Error: The file cannot be written.
        """
        if _NAME not in payload:
            return 0
        events = list(_events(payload))
        if events:
            with self._opened() as connection:
                for service, time_ns, attributes, body in events:
                    _put(connection, service, time_ns or now_ns, attributes, body)
                connection.execute("DELETE FROM told WHERE time_ns < ?", (now_ns - _KEPT_NS,))
                connection.execute(
                    "DELETE FROM told WHERE rowid NOT IN (SELECT rowid FROM told ORDER BY time_ns DESC LIMIT ?)",
                    (MOST,),
                )
        return len(events)

    def firing(self) -> tuple[ReportedAlert, ...]:
        """Return the alerts reported as firing and not as resolved, the newest first; none if they cannot be read."""
        if not self._path.exists():
            return ()
        try:
            with self._opened() as connection:
                rows = connection.execute("SELECT service, document FROM told ORDER BY time_ns DESC").fetchall()
            found = [_told(service, json.loads(document)) for service, document in rows]
        except (sqlite3.Error, ValueError, TypeError):
            return ()
        return tuple(found)

    @contextlib.contextmanager
    def _opened(self) -> Generator[sqlite3.Connection]:
        with contextlib.closing(sqlite3.connect(self._path, timeout=_BUSY_S)) as connection, connection:
            connection.execute(_TABLE)
            yield connection


def _events(payload: bytes) -> Iterator[tuple[str, int, dict[str, Any], str]]:
    """Yield the service, the Unix time in ns, the attributes and the body of each alert."""
    try:
        logs = LogsData.FromString(payload)
    except DecodeError:
        return
    for of_resource in logs.resource_logs:
        service = next(
            (a.value.string_value for a in of_resource.resource.attributes if a.key == semconv.SERVICE_NAME), ""
        )
        for of_scope in of_resource.scope_logs:
            for record in of_scope.log_records:
                if record.event_name == alert_event.EVENT:
                    attributes = {pair.key: _value(pair.value) for pair in record.attributes}
                    yield service, record.time_unix_nano, attributes, record.body.string_value


def _put(connection: sqlite3.Connection, service: str, time_ns: int, attributes: dict[str, Any], body: str) -> None:
    key = str(attributes.get(alert_event.INCIDENT) or attributes.get(alert_event.KEY) or "")[:_LONGEST]
    if attributes.get(alert_event.STATE) == "resolved":
        connection.execute("DELETE FROM told WHERE service = ? AND key = ? AND time_ns <= ?", (service, key, time_ns))
        return
    document = json.dumps({**attributes, "text": body[:_LONGEST]})
    connection.execute("INSERT OR REPLACE INTO told VALUES (?, ?, ?, ?)", (service, key, time_ns, document))


def _told(service: str, found: dict[str, Any]) -> ReportedAlert:
    def text(name: str) -> str:
        return str(found.get(name, ""))

    exemplars = found.get(alert_event.EXEMPLARS)
    return ReportedAlert(
        service,
        text(semconv.FEATURE_SET),
        text(alert_event.TYPE),
        text(alert_event.TITLE),
        text("text"),
        text(alert_event.CAUSE),
        text(alert_event.CAUSE_DETAIL),
        text(alert_event.LINE),
        text(alert_event.FIRST_ACTION),
        float(found.get(alert_event.SINCE) or 0.0),
        tuple(map(str, exemplars)) if isinstance(exemplars, list) else (),
    )


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [one.string_value[:_LONGEST] for one in value.array_value.values[:20]]
    if kind == "string_value":
        return value.string_value[:_LONGEST]
    return getattr(value, kind) if kind in {"double_value", "int_value", "bool_value"} else None
