from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_fe.config.globs import GlobError, compile_glob


@pytest.mark.parametrize(
    ("pattern", "matched", "not_matched"),
    [
        ("http.*", ["http.method"], ["http", "http.request.method", "xhttp.a"]),
        ("http.**", ["http.method", "http.request.method"], ["http"]),
        ("*.name", ["host.name"], ["a.b.name"]),
        ("db.?", ["db.a"], ["db.ab", "db.."]),
        ("[a-c]x", ["ax"], ["dx"]),
        ("[!ab]x", ["cx"], ["ax"]),
        ("{db,cache}.hit", ["db.hit", "cache.hit"], ["x.hit"]),
        (r"a\*", ["a*"], ["ab"]),
        ("a,b", ["a,b"], ["a"]),
    ],
)
def test_patterns_match_dotted_names(pattern, matched, not_matched):
    """Whole names, with the full stop as the separator."""
    compiled = compile_glob(pattern)
    assert [name for name in [*matched, *not_matched] if compiled.fullmatch(name)] == matched


@pytest.mark.parametrize("pattern", ["{a", "[", "[]", "[!]", "[b-a]", "[a", "a***", "{}"])
def test_what_means_nothing_certain_is_refused(pattern):
    """Rather than matched somehow."""
    with pytest.raises(GlobError):
        compile_glob(pattern)


@given(st.text(alphabet="ab.*?[]{}!,-\\^|", max_size=12))
def test_nothing_else_is_raised(pattern):
    """Whatever the pattern is."""
    with contextlib.suppress(GlobError):
        compile_glob(pattern)
