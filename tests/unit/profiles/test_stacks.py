"""Collapsed lines as the watcher writes them, and as anybody else may."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_fe.profiles.stacks import Frame, Stack, lines_of, stacks_of


def test_line_is_a_cause_frames_and_microseconds():
    (stack,) = stacks_of(["cpu;app.py:10 main;shop/embedding.py:88 Image.resize 61000"])
    assert stack == Stack("cpu", (Frame("app.py", 10, "main"), Frame("shop/embedding.py", 88, "Image.resize")), 61_000)


def test_paths_with_blanks_and_colons():
    (stack,) = stacks_of(["sleep;C:/my code/app.py:7 <lambda> 5"])
    assert stack.frames == (Frame("C:/my code/app.py", 7, "<lambda>"),)


def test_frame_that_held_the_interpreter_is_told_from_those_that_waited():
    (stack,) = stacks_of(["gil;app.py:1 main;[held by] job.py:5 spin 9"])
    assert stack.frames == (Frame("app.py", 1, "main"), Frame("job.py", 5, "spin", held_by=True))
    assert str(stack.frames[1]) == "[held by] job.py:5 spin"


def test_what_was_too_much_for_the_event_is_one_frame_without_a_line():
    assert stacks_of(["(others) 12"]) == (Stack("(others)", (), 12),)


@pytest.mark.parametrize(
    "line", ["", "cpu", "cpu;a.py:1 f", "cpu;a.py:1 f x", " 5", "cpu;a -5", "cpu;a ٣", "cpu;a 1e9", f"cpu;a {2**60}"]
)
def test_lines_of_another_shape_are_left_out(line):
    assert stacks_of([line]) == ()


@given(st.lists(st.text(max_size=40), max_size=5))
def test_no_text_raises(lines):
    stacks_of(lines)
    lines_of(lines)


def test_own_lines_have_a_cause_and_one_frame():
    assert lines_of(["cpu shop/embedding.py:88 resize 61000", "rubbish"]) == (
        Stack("cpu", (Frame("shop/embedding.py", 88, "resize"),), 61_000),
    )
