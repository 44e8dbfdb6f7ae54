from __future__ import annotations

import sys
from textwrap import dedent

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from otel_fe.config.document import Mapping, Scalar, Sequence, read_documents, show
from otel_fe.config.problems import InvalidConfigError, Position
from otel_fe.errors import MissingExtraError


def plain(node):
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Sequence):
        return [plain(item) for item in node.items]
    return {entry.key: plain(entry.value) for entry in node.entries}


def one(text, **environ):
    (document,) = read_documents(dedent(text), "f", environ)
    return document


def test_nodes_know_where_they_stand():
    """Lines and columns count from 1, for keys and for values."""
    root = one("""\
        a: 1
        b:
          - x
        """).root
    assert root.position == Position("f", 1, 1)
    assert [(entry.key, entry.position.line, entry.position.column) for entry in root.entries] == [
        ("a", 1, 1),
        ("b", 2, 1),
    ]
    assert root.entries[1].value.items[0].position == Position("f", 3, 5)


def test_scalars_have_the_collectors_types():
    """Quotes and tags make strings; `yes` is one anyway."""
    text = "{a: 1, b: '1', c: yes, d: !!str 1, e: !!int '7', f: !!float 2, g: 0o10, h: 1e3, i: !own x}"
    value = plain(one(text).root)
    assert value == {"a": 1, "b": "1", "c": "yes", "d": "1", "e": 7, "f": 2.0, "g": 8, "h": 1000.0, "i": "x"}
    assert isinstance(value["f"], float)


def test_anchors_and_merge_keys_work():
    """A key of the mapping itself overrides a merged one, and an earlier merge overrides a later one."""
    document = one("""\
        base: &base {a: 1, b: 1}
        other: &other {b: 2, c: 2}
        one: {<<: *base, a: 0}
        both: {<<: [*base, *other]}
        """)
    root = plain(document.root)
    assert (root["one"], root["both"]) == ({"a": 0, "b": 1}, {"a": 1, "b": 1, "c": 2})
    assert not document.problems


def test_duplicate_keys_are_problems_with_both_lines():
    """The first stays."""
    document = one("""\
        a: {b: 1}
        c: 2
        a: 3
        """)
    assert [str(problem) for problem in document.problems] == [
        "f:3:1: a: this key is already on line 1; keep one of them"
    ]
    assert plain(document.root) == {"a": {"b": 1}, "c": 2}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("1: a", "f:1:1: use a string as the key; quote it"),
        ("{a: {~: b}}", "f:1:6: a: use a string as the key; quote it"),
        ("{a: {[x]: b}}", "f:1:6: a: use a string as the key; quote it"),
        ("a: &a [*a]", "f:1:4: a[0]: it must not contain itself"),
        ("a: {<<: 5}", "f:1:9: a::<<: merge a mapping or a list of mappings"),
        (
            "a: ${env:0}",
            "f:1:4: a: ${env:0} has no valid variable name; use letters, digits and _, not starting with a digit",
        ),
    ],
)
def test_other_problems_are_in_the_document(text, problem):
    """The document has its other problems with their positions."""
    assert [str(found) for found in one(text).problems] == [problem]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: [1\nb: 2", "f:2:2: this is not YAML: while parsing a flow sequence, expected ',' or ']', but got ':'"),
        (
            "a:\n\t- b",
            "f:2:1: this is not YAML: while scanning for the next token, found character '\\t' that cannot start any token",
        ),
        ("a: *b", "f:1:4: this is not YAML: found undefined alias 'b'"),
        ("ok\nb\x00", "f:2:2: this is not YAML: the character 0 is not allowed"),
        ('"\\UFFFFFFFF"', None),
        ("[" * 5000, None),
    ],
)
def test_what_is_no_yaml_is_one_problem(text, problem):
    """A file that is no YAML is one problem, with the line and column of the fault."""
    with pytest.raises(InvalidConfigError) as caught:
        read_documents(text, "f", {})
    assert problem is None or str(caught.value) == problem
    assert len(caught.value.problems) == 1


def test_a_variable_may_hold_a_mapping():
    """The nodes of a variable's mapping replace the reference, and references in it are replaced."""
    document = one("a: ${env:M}", M="{b: [1, '${env:N}'], b: 2}", N="n")
    assert plain(document.root) == {"a": {"b": [1, "n"]}}
    assert document.root.entries[0].value.text == "{b: [1, 'n'], b: 2}"
    assert document.root.entries[0].value.entries[0].position == Position("f", 1, 4)
    assert [str(found) for found in document.problems] == [
        "f:1:4: a::b: this key is already on line 1; keep one of them"
    ]


def test_an_unset_variable_is_a_warning():
    """An unset variable is empty, as in the Collector, and a warning."""
    document = one("a: x${env:M}")
    assert plain(document.root) == {"a": "x"}
    warning = "f:1:4: a: the environment variable M is not set and counts as empty; use ${env:M:-default}"
    assert [str(found) for found in document.warnings] == [warning]


def test_aliases_are_not_multiplied():
    """A file that would be millions of nodes when written out is read at once."""
    lines = ["a0: &a0 [x, x]"] + [f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 60)]
    assert isinstance(one("\n".join(lines)).root, Mapping)


def test_without_pyyaml_the_message_names_the_extra(monkeypatch):
    """The message names the extra and the pip command if PyYAML is missing."""
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'otel-fe\[collector\]'"):
        read_documents("a: 1", "f", {})


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("0", "0"),
        ("1", "1"),
        ("true", "true"),
        ("~", "null"),
        ("a b", "a b"),
        ("' a'", "' a'"),
        ('"a\\nb"', "'a\\nb'"),
        ("''", "''"),
        ("[1]", "a list"),
        ("{}", "a mapping"),
        ("x" * 99, "x" * 60 + "…"),
    ],
)
def test_values_are_shown_on_one_line(text, shown):
    """Short, and as YAML would have them."""
    assert show(one(text).root) == shown


@given(st.text(alphabet=st.sampled_from("ab:-[]{},&*!|>'\"\n %#@`$?<~0.\t\\"), max_size=40), st.text(max_size=10))
@example("? |\n", "")
@example("a: !!int x", "")
def test_nothing_else_is_raised(text, value):
    """Whatever the text is, it is read or refused."""
    try:
        for document in read_documents(text, "f", {"a": value}):
            plain(document.root)
    except InvalidConfigError:
        pass


@pytest.mark.parametrize("text", ["[" * 50_000, "{a: " * 50_000, "- " * 50_000, "a: &x [" + "[" * 100])
def test_what_is_nested_too_deeply_is_named(text):
    """Before it is read to its end."""
    with pytest.raises(InvalidConfigError, match="nested too deeply"):
        read_documents(text, "x.yaml", {})
