"""Errors of missing libraries: those of an extra are named, a mistake of ours stays what it is."""

from __future__ import annotations

import sys

import pytest

from otel_fe.errors import MissingExtraError, needs_extra


def test_library_that_is_not_installed_is_answered_with_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "jinja2", None)
    with pytest.raises(MissingExtraError, match=r"the pages needs the extra 'dashboard': pip install") as caught:
        with needs_extra("the pages", "dashboard"):
            import jinja2  # noqa: F401
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_name_that_a_module_of_ours_does_not_have_is_no_missing_extra():
    with pytest.raises(ImportError, match="cannot import name 'Missing'") as caught:
        with needs_extra("the pages", "dashboard"):
            from otel_fe.errors import Missing  # noqa: F401
    assert not isinstance(caught.value, MissingExtraError)


def test_extra_that_is_named_already_is_not_named_again():
    with pytest.raises(MissingExtraError, match="RE2"), needs_extra("the pages", "dashboard"):
        raise MissingExtraError("RE2", "collector")
