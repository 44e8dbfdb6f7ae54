"""Libraries that are switched off by name, and libraries that are never imported."""

from __future__ import annotations

import importlib
import subprocess
import sys

import pytest

from otel_fe.config.settings import LIBRARIES as NAMES
from otel_fe.config.settings import read_settings
from otel_fe.errors import ConfigurationError
from otel_fe.instrument.imports import ImportHooks
from otel_fe.instrument.libraries import LIBRARIES, Libraries
from otel_fe.instrument.libraries.hooked import Hooked
from tests.libraries import versions


def test_every_library_has_a_name_to_switch_it_off_by():
    """The settings know the names of those that there are, and no others."""
    assert set(NAMES) == {library.name for library in LIBRARIES}


def test_a_library_that_is_switched_off_is_left_alone():
    """scikit-learn, which is imported here, is hooked by default and not where it is named."""
    from sklearn.preprocessing import StandardScaler

    for disabled, hooked in (("", True), (" scikit-learn , feast", False)):
        libraries = Libraries(disabled)
        libraries.instrument(ImportHooks())
        try:
            assert isinstance(vars(StandardScaler)["transform"], Hooked) == hooked
            assert ("sklearn.base" in str(libraries)) == hooked
        finally:
            libraries.uninstrument()
        assert not isinstance(vars(StandardScaler)["transform"], Hooked)


@pytest.mark.parametrize(
    ("value", "hint"),
    [("sklearn", "scikit-learn"), ("scikit-learn,fest", "feast"), ("Sentence_Transformers", "sentence-")],
)
def test_a_name_that_does_not_exist_is_an_error_with_the_nearest(value, hint):
    """An unknown library name is an error with the nearest valid one, in the variable and in code."""
    with pytest.raises(ConfigurationError, match=f"OTEL_FE_DISABLED_LIBRARIES.*did you mean {hint}"):
        read_settings({"OTEL_FE_DISABLED_LIBRARIES": value})
    with pytest.raises(ConfigurationError, match=f"did you mean {hint}"):
        Libraries(value)
    assert read_settings({"OTEL_FE_DISABLED_LIBRARIES": " Feast, torch,"}).disabled_libraries == "feast,torch"


def test_what_is_said_of_versions_is_what_is_tested():
    """Each module's `ABOUT` names the oldest and the newest version that test files here run against."""
    tested = {
        "sklearn_estimators": versions.SKLEARN,
        "feast": versions.FEAST,
        "tsfresh": versions.TSFRESH,
        "featuretools": versions.FEATURETOOLS,
        "transformers": versions.TRANSFORMERS,
        "sentence_transformers": versions.SENTENCE_TRANSFORMERS,
        "hamilton": versions.HAMILTON,
    }
    for module, known in tested.items():
        about = importlib.import_module(f"otel_fe.instrument.libraries.{module}").ABOUT
        assert about.versions == tuple(known)
        assert about.library in NAMES


def test_a_library_that_is_not_imported_costs_nothing():
    """Switching on imports neither the library nor otel_fe's hooks of it."""
    source = """
import sys
from otel_fe.testing import capture
with capture():
    ours = sorted(name.rpartition(".")[2] for name in sys.modules if name.startswith("otel_fe.instrument.libraries."))
    theirs = [name for name in ("sklearn", "feast", "tsfresh", "featuretools", "transformers", "torch", "numpy") if name in sys.modules]
print(ours, theirs)
"""
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
    ours, _, theirs = done.stdout.strip().partition("] ")
    assert theirs == "[]"
    for hooks in {library.hooks for library in LIBRARIES} - {"redis_spans"}:
        assert f"'{hooks}'" not in ours
