"""Patterns mean what they mean to the Collector, where Python's own engine would say otherwise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_fe.model.re2 import compile_re2


def finds(pattern, text):
    return compile_re2(pattern).search(text) is not None


@pytest.mark.parametrize(
    ("pattern", "found", "not_found"),
    [
        ("a$", ["a", "ba"], ["a\n", "a\nb"]),
        ("(?m)a$", ["a", "a\nb"], ["ab"]),
        ("^b", ["b"], ["a\nb"]),
        ("(?m)^b", ["a\nb"], ["ab"]),
        (r"a\z", ["a"], ["a\n"]),
        (r"\Aa", ["ab"], ["\na"]),
        ("a.b", ["a b", "aéb"], ["a\nb", "ab"]),
        ("(?s)a.b", ["a\nb"], ["ab"]),
        (r"^\d$", ["5"], ["٥"]),  # noqa: RUF001 a digit, but not one of ASCII
        (r"^\w$", ["_", "a"], ["é"]),
        (r"^\W$", ["é"], ["a"]),
        (r"^\s$", [" ", "\t"], ["\v", "\u00a0"]),
        (r"^[\s]$", ["\n"], ["\v"]),
        (r"a\b", ["a", "aé"], ["ab"]),
        (r"\B", [""], ["a"]),
        ("a(?i)b|c", ["aB", "C"], ["AB"]),
        ("(?i:a)b", ["Ab"], ["aB"]),
        ("(?i)a(?-i)b", ["Ab"], ["aB"]),
        ("((?i)a)b", ["Ab"], ["aB"]),
        ("(?i)k", ["K", "\u212a"], ["x"]),
        ("(?i)[^a]", ["b"], ["A", "a"]),
        (r"(?i)[\Dx]", ["X", "a"], ["5"]),
        (r"[^\Wa]", ["b"], ["a", "-"]),
        (r"[[:alpha:]\-]", ["a", "-"], ["5", ":"]),
        ("[[:^digit:]]", ["a"], ["5"]),
        ("[]a]", ["]", "a"], ["["]),
        ("[^]a]", ["["], ["]"]),
        ("[a-]", ["-"], ["b"]),
        ("[a&&b]", ["&"], ["c"]),
        ("a{,2}", ["a{,2}"], ["aa"]),
        ("a{2", ["a{2"], ["aa"]),
        ("^a{2}$", ["aa"], ["a", "aaa"]),
        (r"\Qa.b\E+c", ["a.bbc"], ["axbc"]),
        (r"\x41\x{e9}\101\.", ["AéA."], ["AéAx"]),
        ("(?P<n>a)(?<m>b)", ["ab"], ["a"]),
        ("^(?:a|b)*?c$", ["c", "abc"], ["ad"]),
        ("^*a", ["a"], ["b"]),
        ("a(?i)*b", ["b", "aab"], ["a"]),
        ("", ["", "a"], []),
    ],
)
def test_a_pattern_means_what_it_means_to_re2(pattern, found, not_found):
    """Texts that RE2 finds the pattern in, and texts that it does not find it in."""
    assert [text for text in found if not finds(pattern, text)] == []
    assert [text for text in not_found if finds(pattern, text)] == []


@pytest.mark.parametrize(
    "pattern",
    [
        "(?=a)",
        "(?<!a)",
        "(?>a)",
        r"(a)\1",
        "a**",
        "*a",
        "a{1001}",
        "a{3,2}",
        "(a",
        "a)",
        "[a",
        "[z-a]",
        "[[:foo:]]",
        r"a\Z",
        "(?x)a",
        "\\",
        "\ud800",
    ],
)
def test_what_re2_refuses_is_refused_with_a_reason(pattern):
    """The reason is RE2's own."""
    with pytest.raises(ValueError, match=r"\w"):
        compile_re2(pattern)


@given(st.text())
def test_any_pattern_compiles_or_is_refused(pattern):
    """Any pattern compiles or raises a `ValueError`."""
    try:
        compile_re2(pattern)
    except ValueError as error:
        assert str(error)


@given(st.text(), st.text())
def test_a_quoted_text_is_found_in_itself_only(text, other):
    """`\\Q…` takes every character for itself."""
    if r"\E" not in text:
        assert finds(r"\Q" + text, other) == (text in other)


def test_no_pattern_takes_long():
    """Nested repetition is what backtracking engines never finish."""
    assert not finds("(a+)+$", "a" * 100_000 + "b")


def test_a_text_that_is_no_unicode_matches_nothing():
    """Half a surrogate pair has no UTF-8."""
    assert not finds(".*", "\ud800")
