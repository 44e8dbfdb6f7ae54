"""Silences on disk: kept, ended, bounded; a file of another format is left alone, with an error."""

from __future__ import annotations

import sqlite3
import stat
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from otel_fe.alerting.kept_silence import KeptSilence
from otel_fe.errors import ConfigurationError
from otel_fe.store.silence_file import FILE_NAME, MOST, SilenceFile
from otel_fe.store.store_error import StoreError
from tests.unit.store.parts import HOUR, T0

ONE = KeptSilence("a" * 32, "latency", None, "", T0, T0 + HOUR, "Ada <script>", 'it\'s "known"; DROP TABLE silence')


@pytest.fixture
def file(tmp_path):
    return SilenceFile(tmp_path)


def numbered(number, **changes):
    return replace(ONE, id=f"{number:032x}", **changes)


def test_what_is_kept_comes_back(file, tmp_path):
    """Another process's view reads the silences; only their owner can read the file."""
    assert file.in_force(T0) == ()
    file.add(ONE, T0)
    assert SilenceFile(tmp_path).in_force(T0) == (ONE,)
    assert stat.S_IMODE((tmp_path / FILE_NAME).stat().st_mode) == 0o600
    assert file.in_force(T0 + HOUR - 1) == (ONE,)
    assert file.in_force(T0 + HOUR) == ()


def test_one_is_lifted_once(file):
    assert not file.lift("b" * 32)
    file.add(ONE, T0)
    before = file.signature()
    assert not file.lift("b" * 32)
    assert file.lift(ONE.id)
    assert not file.lift(ONE.id)
    assert file.in_force(T0) == ()
    assert file.signature() != before


def test_there_are_so_many_at_most(file):
    """Ended silences make room, the first to end first."""
    for number in range(MOST):
        file.add(numbered(number, until_ns=T0 + HOUR - number), T0)
    with pytest.raises(ConfigurationError, match="lift one first"):
        file.add(numbered(MOST), T0)
    found = file.in_force(T0)
    assert [one.until_ns for one in found] == sorted(one.until_ns for one in found)
    later = T0 + HOUR
    file.add(numbered(MOST, created_ns=later, until_ns=later + HOUR), later)
    assert [one.id for one in file.in_force(later)] == [f"{MOST:032x}"]


def test_many_may_write_at_once(tmp_path):
    """Each has its own connection: none is lost, and the bound holds."""

    def add(number):
        try:
            SilenceFile(tmp_path).add(numbered(number), T0)
        except ConfigurationError:
            return 0
        return 1

    with ThreadPoolExecutor(8) as pool:
        done = sum(pool.map(add, range(MOST + 20)))
    assert done == MOST == len(SilenceFile(tmp_path).in_force(T0))


def test_nothing_is_left_of_what_failed(file):
    """The same id twice is refused by the database, and the next one works."""
    file.add(ONE, T0)
    with pytest.raises(StoreError, match="UNIQUE"):
        file.add(ONE, T0)
    file.add(numbered(2), T0)
    assert len(file.in_force(T0)) == 2


def test_a_file_that_is_no_database_is_said_to_be_none(file, tmp_path):
    content = b"rubbish " * 200
    (tmp_path / FILE_NAME).write_bytes(content)
    for ask in (lambda: file.in_force(T0), lambda: file.add(ONE, T0), lambda: file.lift(ONE.id)):
        with pytest.raises(StoreError, match="where it is damaged, remove it"):
            ask()
    assert (tmp_path / FILE_NAME).read_bytes() == content


def test_an_empty_file_holds_none_and_can_be_filled(file, tmp_path):
    """An empty file, as it exists while the first silence is made, holds no silence."""
    (tmp_path / FILE_NAME).touch()
    assert file.in_force(T0) == ()
    file.add(ONE, T0)
    assert file.in_force(T0) == (ONE,)


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("PRAGMA application_id = 5", "another program"),
        ("PRAGMA user_version = 9", "of version 9"),
        ("UPDATE silence SET comment = ''", "what is no silence"),
        ("UPDATE silence SET until_ns = 'x'", "what is no silence"),
        ("DROP TABLE silence", "no such table"),
    ],
)
def test_what_others_made_of_it_is_refused(file, tmp_path, statement, said):
    file.add(ONE, T0)
    connection = sqlite3.connect(tmp_path / FILE_NAME)
    connection.execute(statement)
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match=said):
        file.in_force(T0)


def test_a_store_that_is_not_there_says_so(tmp_path):
    file = SilenceFile(tmp_path / "none")
    assert file.in_force(T0) == ()
    assert file.signature() == ()
    with pytest.raises(StoreError, match="cannot be written"):
        file.add(ONE, T0)
