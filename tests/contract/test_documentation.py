"""The documentation: its links lead somewhere, its tables are generated, its commands and code run."""

from __future__ import annotations

import re
import shlex
from dataclasses import fields
from pathlib import Path

import pytest

import otel_fe
from otel_fe import reference
from otel_fe.config.settings import OF_OTHERS, PREFIX, Settings

ROOT = Path(otel_fe.__file__).parents[1]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(
            page
            for room in ("otel_fe", "tests", "examples", "collector_config")
            for page in (ROOT / room).rglob("*.md")
        ),
    ]
)
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)


def named(page):
    return str(page.relative_to(ROOT))


def anchors(page):
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)$", FENCE.sub("", page.read_text()), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_link_leads_somewhere(page):
    """Relative links name a file or folder of the repository, and an anchor that its page has."""
    for link in LINK.findall(FENCE.sub("", page.read_text())):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_generated_tables_are_those_of_the_code(page):
    """`make docs` would change nothing."""
    text = page.read_text()
    assert reference.filled_in(text) == text


def test_every_generated_table_stands_once():
    text = "".join(page.read_text() for page in PAGES)
    for name in reference.TABLES:
        assert text.count(f"<!-- generated: {name} -->") == 1, name


@pytest.mark.parametrize("room", sorted(path.parent.name for path in (ROOT / "otel_fe").glob("*/__init__.py")))
def test_room_has_a_readme_that_the_architecture_links_to(room):
    assert (ROOT / "otel_fe" / room / "README.md").exists()
    assert f"({room}/README.md)" in (ROOT / "otel_fe" / "README.md").read_text()


def test_readme_has_at_most_200_lines():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 200


@pytest.mark.parametrize(
    "page",
    # The changelog names earlier ones, and rendered files read variables of their own.
    [page for page in PAGES if page.name != "CHANGELOG.md" and page.parent.name != "collector_config"],
    ids=named,
)
def test_no_setting_is_named_that_does_not_exist(page):
    known = {PREFIX + field.name.upper() for field in fields(Settings)} | OF_OTHERS
    assert set(re.findall(r"OTEL_FE_[A-Z_]+[A-Z]", page.read_text())) <= known


def commands():
    """Yield the command lines of `otel-fe` in the documentation's blocks, with their page."""
    for page in PAGES:
        for line in page.read_text().splitlines():
            if line.startswith("    otel-fe "):
                yield pytest.param(line.split("  #")[0].strip(), id=f"{named(page)}:{line.strip()[:40]}")


@pytest.mark.parametrize("line", [*commands()])
def test_every_command_line_is_accepted(line):
    """The parser accepts every documented command line."""
    from otel_fe.cli.main import parser  # noqa: PLC0415

    arguments = parser().parse_args(shlex.split(line)[1:])
    assert arguments is not None


class Stub:
    """A stand-in for the objects that documented code blocks expect from the reader's own code."""

    hits, misses = 3, 1

    def get(self, _key):
        return "value"

    def extract_features(self, _data):
        return {}


def blocks():
    for page in PAGES:
        for number, block in enumerate(
            re.findall(r"^```python\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
        ):
            yield pytest.param(block, id=f"{named(page)}:{number}")


@pytest.mark.parametrize("block", [*blocks()])
def test_every_block_of_python_runs(block):
    given = {"my_own_cache": Stub(), "key": "k", "extractor": Stub(), "data": {}, "cached_extractor": Stub()}
    exec(compile(block, "a block", "exec"), given)  # noqa: S102 our own documentation
