from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_fe.config.environment import Environment, SubstitutionError, Typed

ENVIRON = {
    "NAME": "value",
    "NUMBER": "0x10",
    "LIST": "[a, '${env:NAME}']",
    "INNER": "${env:NAME}",
    "EMPTY": "",
    "QUOTED": '"q"',
    "NO_YAML": "{",
    "DOLLARS": "a$$b",
}


@pytest.mark.parametrize(
    ("text", "expanded"),
    [
        ("plain", "plain"),
        ("${env:NAME}", "value"),
        ("${NAME}", "value"),
        ("a${env:NAME}b${NAME}", "avaluebvalue"),
        ("${env:INNER}", "value"),
        ("${env:MISSING:-fallback}", "fallback"),
        ("${env:MISSING:-${env:NAME}}", "value"),
        ("${env:MISSING:-}", ""),
        ("x${env:MISSING}y", "xy"),
        ("${env:NUMBER}", Typed("0x10", "0x10")),
        ("n=${env:NUMBER}", "n=0x10"),
        ("${env:LIST}", Typed("[a, '${env:NAME}']", "[a, 'value']")),
        ("${env:EMPTY}", Typed("", "")),
        ("${env:QUOTED}", '"q"'),
        ("${env:NO_YAML}", "{"),
        ("${env:DOLLARS}", "a$b"),
        ("$$", "$"),
        ("$${env:NAME}", "${env:NAME}"),
        ("$$${env:NAME}", "$value"),
        ("$${env:NAME} ${env:NAME}", "${env:NAME} ${env:NAME}"),  # an escaped first reference leaves the whole text
        ("$NAME {} ${", "$NAME {} ${"),
    ],
)
def test_references_are_replaced_as_the_collector_replaces_them(text, expanded):
    """A lone reference keeps the type of what the variable holds; in other text its characters count."""
    assert Environment(ENVIRON).expand(text) == expanded


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("${env:1}", "no valid variable name"),
        ("${env:}", "no valid variable name"),
        ("${env:a b}", "no valid variable name"),
        ("${NAME:-x}", "use \\$\\{env:NAME\\}"),
        ("${}", "no valid variable name"),
        ("${:x}", "is not a valid reference"),
        ("${file:a.yaml}", "exists in the Collector but is not supported here"),
        ("${env:LOOP}", "in a cycle"),
        ("${env:GROW}", "in a cycle"),
    ],
)
def test_other_references_are_refused(text, why):
    """Any other form of reference is refused, with the valid one."""
    with pytest.raises(SubstitutionError, match=why):
        Environment({"LOOP": "${env:LOOP}", "GROW": "${env:GROW}${env:GROW}"}).expand(text)


def test_unset_variables_are_known():
    """Unset variables are empty, and listed for a warning."""
    environment = Environment({})
    environment.expand("${env:A} ${env:B:-b}")
    assert environment.unset == ["A"]


@given(st.lists(st.sampled_from(["$", "{", "}", "env:", ":-", "A", "B", " "]), max_size=12).map("".join))
def test_nothing_else_is_raised(text):
    """Whatever the text and the variables are."""
    with contextlib.suppress(SubstitutionError):
        Environment({"A": "${env:B}", "B": "[${env:A:-1}]"}).expand(text)
