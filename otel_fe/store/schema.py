"""The tables, and the migration of files of earlier versions.

Texts that repeat (services, feature sets, policies, causes) are numbers here, by `name`. Times are Unix times, `_ns` in nanoseconds
and `_s` in seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

APPLICATION_ID: Final = 0x6F746665
"""`otfe`: marks a file as a store."""

_META: Final = "CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID"

_NAME: Final = "CREATE TABLE name (id INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT NOT NULL UNIQUE)"

# One row for each part of a trace: late spans, and logs, have rows of their own. The wide columns are last, so that
# reading the others does not touch the pages that they overflow to.
_TRACE: Final = (
    """CREATE TABLE trace (
    key INTEGER PRIMARY KEY, trace_id BLOB NOT NULL, stored_s INTEGER NOT NULL, start_ns INTEGER, end_ns INTEGER, root TEXT,
    service INTEGER, error INTEGER, policy INTEGER, weight REAL, spans INTEGER NOT NULL, body BLOB, logs BLOB)""",
    "CREATE INDEX trace_by_id ON trace (trace_id)",
    "CREATE INDEX trace_by_age ON trace (stored_s)",
)

# One row for each extraction of a kept trace; a trace without any has one for the whole of it, without a feature set. They lie in
# slots of ten minutes, and in each by latency: the heat map's groups come in order, and are added up without sorting. What filters
# ask for is first, since a row is read up to the last requested column.
_EXTRACTION: Final = (
    """CREATE TABLE extraction (
    slot INTEGER NOT NULL, latency INTEGER NOT NULL, trace INTEGER NOT NULL, ordinal INTEGER NOT NULL, weight REAL,
    start_ns INTEGER NOT NULL, duration_ns INTEGER NOT NULL, service INTEGER NOT NULL, feature_set INTEGER,
    error INTEGER NOT NULL, cache_hit INTEGER, cause INTEGER, policy INTEGER NOT NULL,
    span_id BLOB NOT NULL, library INTEGER, error_type INTEGER, lookups INTEGER NOT NULL, hits INTEGER NOT NULL,
    cpu_ns INTEGER NOT NULL, memory_growth_bytes INTEGER NOT NULL,
    in_cache_miss INTEGER, in_pool_wait INTEGER, in_cpu INTEGER, in_gpu INTEGER, in_downstream INTEGER, in_unexplained INTEGER,
    PRIMARY KEY (slot, latency, trace, ordinal)) WITHOUT ROWID""",
    "CREATE INDEX extraction_by_trace ON extraction (trace)",
)

# A chunk is the records of one commit. Its key is the number of the last of them, counted from the beginning of the file.
_RECORD: Final = "CREATE TABLE record (key INTEGER PRIMARY KEY, trace_ids BLOB NOT NULL, body BLOB NOT NULL)"

# A series is identified by its labels, over all processes; a stream is what one process counts since one start.
_SERIES: Final = (
    """CREATE TABLE series (
    id INTEGER PRIMARY KEY AUTOINCREMENT, key BLOB NOT NULL UNIQUE, name TEXT NOT NULL, unit TEXT NOT NULL, kind TEXT NOT NULL,
    scale INTEGER NOT NULL, service TEXT NOT NULL, labels TEXT NOT NULL, shape TEXT, seen_s INTEGER NOT NULL)""",
    """CREATE TABLE stream (
    key BLOB PRIMARY KEY, seen_s INTEGER NOT NULL, start_ns INTEGER NOT NULL, time_ns INTEGER NOT NULL, scale INTEGER NOT NULL,
    count INTEGER NOT NULL, total INTEGER NOT NULL, zeros INTEGER NOT NULL, buckets BLOB) WITHOUT ROWID""",
    "CREATE INDEX stream_by_age ON stream (seen_s)",
    "CREATE TABLE tier (width_s INTEGER PRIMARY KEY, from_s INTEGER NOT NULL)",
    """CREATE TABLE counter (
    series INTEGER NOT NULL, width_s INTEGER NOT NULL, time_s INTEGER NOT NULL, value INTEGER NOT NULL,
    PRIMARY KEY (series, width_s, time_s)) WITHOUT ROWID""",
    """CREATE TABLE histogram (
    series INTEGER NOT NULL, width_s INTEGER NOT NULL, time_s INTEGER NOT NULL, count INTEGER NOT NULL, total INTEGER NOT NULL,
    zeros INTEGER NOT NULL, buckets BLOB NOT NULL, PRIMARY KEY (series, width_s, time_s)) WITHOUT ROWID""",
    """CREATE TABLE gauge (
    series INTEGER NOT NULL, width_s INTEGER NOT NULL, time_s INTEGER NOT NULL, at_ns INTEGER NOT NULL, last REAL NOT NULL,
    least REAL NOT NULL, most REAL NOT NULL, PRIMARY KEY (series, width_s, time_s)) WITHOUT ROWID""",
)

# Extractions added up, so that a week is not read row by row: by three hours (18 slots) with latency, service and feature set,
# and by twelve (72) with what they are like as well. What an extraction has none of is 0, and -1 of a hit; names begin at 1.
# Three hours that are in `counted` have their cells, and their twelve hours have them if all four do. Who adds or removes an
# extraction takes its hours out of there, in the same transaction: cells are right, or not read.
_CELL: Final = (
    """CREATE TABLE cell (
    slots INTEGER NOT NULL, time INTEGER NOT NULL, latency INTEGER NOT NULL, service INTEGER NOT NULL, feature_set INTEGER NOT NULL,
    policy INTEGER NOT NULL, cause INTEGER NOT NULL, cache_hit INTEGER NOT NULL, error INTEGER NOT NULL,
    extractions INTEGER NOT NULL, weight REAL NOT NULL, duration_ns REAL NOT NULL, in_cache_miss REAL NOT NULL,
    in_pool_wait REAL NOT NULL, in_cpu REAL NOT NULL, in_gpu REAL NOT NULL, in_downstream REAL NOT NULL,
    in_unexplained REAL NOT NULL,
    PRIMARY KEY (slots, time, latency, service, feature_set, policy, cause, cache_hit, error)) WITHOUT ROWID""",
    "CREATE TABLE counted (time INTEGER PRIMARY KEY)",
)
# The smallest and the largest value of a row's histogram, so that no percentile lies beyond them; NULL where that is not known.
_EXTREMES: Final = ("ALTER TABLE histogram ADD COLUMN least REAL", "ALTER TABLE histogram ADD COLUMN most REAL")
# Causes that were added later; none of them has time in what was stored before.
_LATER_CAUSES: Final = (
    *("gc", "gil", "cpu_throttled", "cpu_wait", "page_faults", "disk", "lock", "sleep", "import", "subprocess"),
    *("native_threads", "event_loop"),
)
_MORE_CAUSES: Final = tuple(
    f"ALTER TABLE {table} ADD COLUMN in_{cause} {kind}"
    for table, kind in (("extraction", "INTEGER"), ("cell", "REAL NOT NULL DEFAULT 0"))
    for cause in _LATER_CAUSES
)
_MORE_CAUSES_SINCE: Final = 4
# From when until when a service counted: what a rate is over.
_COUNTED_TIME: Final = """CREATE TABLE counted_time (
    service TEXT NOT NULL, since_ns INTEGER NOT NULL, until_ns INTEGER NOT NULL, PRIMARY KEY (service, since_ns)) WITHOUT ROWID"""
CELLS_SINCE: Final = 2
"""The version from which files have cells."""
EXTREMES_SINCE: Final = 3
"""The version from which files have the extremes of histograms, and the counted time."""

# The bodies of traces, those of one commit together (`bodies.py`). The rows of traces have none of their own any more.
_CHUNK: Final = ("CREATE TABLE chunk (key INTEGER PRIMARY KEY, last INTEGER NOT NULL, bodies BLOB NOT NULL)",)

# Changes of services, and the last attributes of their processes, which later ones are compared with.
_MARKS: Final = (
    """CREATE TABLE mark (
    time_ns INTEGER NOT NULL, service TEXT NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL, before TEXT NOT NULL,
    after TEXT NOT NULL, until_ns INTEGER NOT NULL, count INTEGER NOT NULL, detail TEXT NOT NULL,
    PRIMARY KEY (time_ns, service, kind, subject)) WITHOUT ROWID""",
    """CREATE TABLE fact (
    service TEXT NOT NULL, instance TEXT NOT NULL, kind TEXT NOT NULL, subject TEXT NOT NULL, value TEXT NOT NULL,
    earlier TEXT NOT NULL, changed_ns INTEGER NOT NULL, seen_ns INTEGER NOT NULL,
    PRIMARY KEY (service, instance, kind, subject)) WITHOUT ROWID""",
)
MARKS_SINCE: Final = 6
"""The version from which files have marks."""

# Chunks have the resources and scopes of their spans apart: `bodies.py` reads both forms, earlier versions do not read this one.
_FRAMES: Final[tuple[str, ...]] = ()

# The policies that decided, by their fingerprint: what explains the packed decisions of chunks and of `record`, which earlier
# versions do not read; nor do they chunks that are compressed with Zstandard.
_POLICIES: Final = (
    "CREATE TABLE policies (fingerprint BLOB PRIMARY KEY, seen_s INTEGER NOT NULL, description BLOB NOT NULL) WITHOUT ROWID",
)
POLICIES_SINCE: Final = 8
"""The version from which files have policies."""

Migration = tuple[str, ...]
MIGRATIONS: Final[tuple[Migration, ...]] = (
    (_META, _NAME, *_TRACE, *_EXTRACTION, _RECORD, *_SERIES),
    _CELL,
    (*_EXTREMES, _COUNTED_TIME),
    _MORE_CAUSES,
    _CHUNK,
    _MARKS,
    _FRAMES,
    _POLICIES,
)
"""Statement by statement, from version n to n + 1. What has been released is never changed; a new one is added."""


def add_missing_columns(connection: sqlite3.Connection) -> None:
    """Let a connection read a file of an earlier version with this version's queries, without changing the file.

    Temporary views shadow the tables. They stay valid if another process upgrades the file meanwhile: of two columns
    of one name, the table's wins.
    """
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if not 0 < version < _MORE_CAUSES_SINCE:
        return
    columns = ", ".join(f"0 AS in_{cause}" for cause in _LATER_CAUSES)
    for table in ("extraction", "cell")[:version]:
        connection.execute(f"CREATE TEMP VIEW {table} AS SELECT *, {columns} FROM main.{table}")  # noqa: S608


def version_of(connection: sqlite3.Connection) -> int:
    """Return the version of a file."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def migrate(connection: sqlite3.Connection, migrations: Sequence[Migration] = MIGRATIONS) -> None:
    """Bring a file to the newest version, in one transaction: whatever interrupts it, the file is of one version or the other."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        version = version_of(connection)
        for statements in migrations[version:]:
            for statement in statements:
                connection.execute(statement)
        if version < len(migrations):
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {len(migrations)}")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
