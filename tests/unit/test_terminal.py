"""Colour and progress: only where a person reads along."""

from __future__ import annotations

import io

import pytest

from otel_fe.terminal import Progress, coloured, paint


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("environ", "terminal", "expected"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": ""}, True, True),  # no-color.org: present and not empty
        ({"NO_COLOR": "1"}, True, False),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"NO_COLOR": "1", "FORCE_COLOR": "1"}, True, False),  # as in CPython
        ({"TERM": "dumb"}, True, False),
    ],
)
def test_colour_follows_the_conventions(environ, terminal, expected):
    """https://no-color.org, https://force-color.org, and CPython's order of them."""
    assert coloured(Terminal() if terminal else io.StringIO(), environ) is expected


def test_closed_stream_has_no_colour():
    """Python's `isatty` raises there."""
    closed = io.StringIO()
    closed.close()
    assert coloured(closed, {}) is False


def test_paint_only_colours_where_asked():
    assert paint("red", "x", colour=True) == "\033[31mx\033[0m"
    assert paint("red", "x", colour=False) == "x"


def test_progress_comes_after_a_second_fits_the_width_and_is_erased(monkeypatch):
    """Progress shows after one second, and is cut to the width, as a wrapped line could not be erased."""
    monkeypatch.setenv("COLUMNS", "20")
    monkeypatch.setenv("TERM", "xterm")
    stream, now = Terminal(), [0.0]
    with Progress(stream, now_s=lambda: now[0]) as progress:
        progress.show("too early")
        now[0] = 1.5
        progress.show("x" * 100)
        now[0] = 1.55
        progress.show("too soon after")
    assert stream.getvalue() == f"\r\033[K{'x' * 19}\r\033[K"


@pytest.mark.parametrize(("stream", "quiet"), [(io.StringIO(), False), (Terminal(), True)])
def test_progress_is_silent_off_a_terminal_and_where_asked(stream, quiet):
    with Progress(stream, quiet=quiet, now_s=lambda: 99.0, delay_s=0.0) as progress:
        progress.show("x")
    assert stream.getvalue() == ""
