"""Functions that a framework has registered by the time that they are wrapped, and modules that a notebook loads again."""

from __future__ import annotations

import importlib
import sys

import pytest
from IPython.core.interactiveshell import InteractiveShell

from otel_fe.testing import capture

FASTAPI = """
from fastapi import Depends, FastAPI
app = FastAPI()

async def features(user: int = 0): return {"age": user}

@app.get("/route")
def route(user: int): return {"age": user}

@app.get("/depends")
async def depends(found: dict = Depends(features)): return found
"""
FLASK = """
from flask import Flask, request
app = Flask(__name__)

@app.get("/route")
def route(): return {"age": int(request.args["user"])}
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """Return a function that writes a module `service` and imports it."""
    monkeypatch.syspath_prepend(tmp_path)

    def make(source):
        path = tmp_path / "service.py"
        path.write_text(source)
        importlib.invalidate_caches()
        return importlib.import_module("service")

    yield make
    sys.modules.pop("service", None)


@pytest.mark.parametrize("late", [True, False], ids=["imported later", "imported before"])
def test_fastapi_routes_and_dependencies_count(module, late):
    """Three requests make six extractions: the route holds the endpoint, its dependant the dependency."""
    from fastapi.testclient import TestClient

    found = None if late else module(FASTAPI)
    with capture(targets="service:route,service:features") as captured:
        client = TestClient((found or module(FASTAPI)).app)
        for path in ("/route", "/depends"):
            for user in range(3):
                assert client.get(path, params={"user": user}).json() == {"age": user}
            assert client.get(path, params={"user": "x"}).status_code == 422
        assert captured.total("feature_extraction.duration") == 6


def test_flask_views_count(module):
    """Flask's table of views holds the instrumented function."""
    found = module(FLASK)
    with capture(targets="service:route") as captured:
        client = found.app.test_client()
        for user in range(3):
            assert client.get("/route", query_string={"user": user}).json == {"age": user}
        assert captured.total("feature_extraction.duration") == 3


def test_autoreload_runs_the_edited_code_and_counts_it(tmp_path, monkeypatch):
    """`%autoreload 2` brings what a notebook has imported up to date, as without otel_fe."""
    monkeypatch.syspath_prepend(tmp_path)
    source = "def extract(x): return x + {}\nclass Users:\n    def extract(self, x): return x + {}\n"
    (tmp_path / "edited.py").write_text(source.format(1, 1))
    shell = InteractiveShell.instance()

    def cell(text):
        done = shell.run_cell(text)
        done.raise_error()
        return done.result

    with capture(targets="edited:extract,edited:Users.extract") as captured:
        cell("%load_ext autoreload")
        cell("%autoreload 2")
        cell("import edited\nfrom edited import extract, Users\nusers = Users()")
        calls = "extract(1), edited.extract(1), users.extract(1), edited.Users().extract(1)"
        assert cell(calls) == (2, 2, 2, 2)
        for edit in (10, 200):
            (tmp_path / "edited.py").write_text(source.format(edit, edit) + "#" * edit)
            assert cell(calls) == (1 + edit,) * 4
        assert captured.total("feature_extraction.duration") == 12
    InteractiveShell.clear_instance()
