"""Checks the arguments of a converter: their number, names, and the types of literals.

The Collector looks at literals when it starts and at everything else when it evaluates; so does this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_fe.config.ottl.converters import CONVERTERS, ELSEWHERE, Converter, Kind, Parameter
from otel_fe.config.ottl.numbers import parse_bool, parse_float, parse_int
from otel_fe.config.ottl.refusal import RefusalError, suggestion
from otel_fe.config.ottl.tree import Expression, ListOf, Literal, MapOf, is_literal
from otel_fe.model.re2 import compile_re2

if TYPE_CHECKING:
    from collections.abc import Callable

    from otel_fe.config.ottl.tree import Context

_TYPES: Final[dict[Kind, type | None]] = {
    "string": str,
    "string_literal": str,
    "int": int,
    "float": float,
    "bool": bool,
    "bool_literal": bool,
    "time": None,  # nothing in the text is one
    "duration": None,
}
_READERS: Final[dict[Kind, Callable[[str], object]]] = {
    "int_like": parse_int,
    "float_like": parse_float,
    "bool_like": parse_bool,
}
_ID_BYTES: Final = {"TraceID": 16, "SpanID": 8}


@dataclass(frozen=True, slots=True)
class Argument:
    """A value between the parentheses of a call."""

    name: str
    """"" where it is given by its place."""
    value: Expression
    offset: int


def lookup(name: str, offset: int, context: Context) -> Converter:
    """Return the converter of that name.

    Raises:
        RefusalError: The converter is unknown, or does not exist for that context.
    """
    if name in CONVERTERS and not (name == "IsRootSpan" and context != "span"):
        return CONVERTERS[name]
    if name == "IsRootSpan":
        raise RefusalError(offset, "IsRootSpan exists for spans, not for their events")
    if name in ELSEWHERE:
        supported = ", ".join(CONVERTERS)
        raise RefusalError(
            offset, f"the converter {name} exists in OTTL but is not supported here; supported: {supported}"
        )
    raise RefusalError(offset, f"there is no converter {name}{suggestion(name, {*CONVERTERS, *ELSEWHERE})}")


def arrange(name: str, converter: Converter, given: list[Argument], offset: int) -> tuple[Expression | None, ...]:
    """Put the arguments of a call into the order of the parameters, and check those that are literals.

    Raises:
        RefusalError: The call is not what the converter takes.
    """
    parameters = converter.parameters
    places = {parameter.name: place for place, parameter in enumerate(parameters)}
    values: list[Expression | None] = [None] * len(parameters)
    named = False
    for index, argument in enumerate(given):
        if named and not argument.name:
            raise RefusalError(argument.offset, "positional arguments come before named ones")
        named = bool(argument.name)
        place = places.get(_snake(argument.name)) if named else index
        if place is None:
            raise RefusalError(
                argument.offset, f"{name} has no parameter {argument.name}{suggestion(argument.name, places)}"
            )
        if place >= len(parameters) or values[place] is not None:
            raise RefusalError(argument.offset, f"{name} takes {_signature(parameters)}")
        _check(name, parameters[place], argument)
        values[place] = argument.value
    if any(value is None and not parameter.optional for value, parameter in zip(values, parameters, strict=True)):
        raise RefusalError(offset, f"{name} takes {_signature(parameters)}")
    return tuple(values)


def _snake(name: str) -> str:
    return "".join(f"_{character.lower()}" if character.isupper() else character for character in name)


def _signature(parameters: tuple[Parameter, ...]) -> str:
    parts = [f"{parameter.name}{' (optional)' if parameter.optional else ''}" for parameter in parameters]
    return ", ".join(parts) or "no arguments"


def _check(name: str, parameter: Parameter, argument: Argument) -> None:
    value, kind = argument.value, parameter.kind
    if kind in {"string_like_list", "any_list"}:
        if not isinstance(value, ListOf) or (name == "Coalesce" and not value.items):
            raise RefusalError(
                argument.offset, f"{name} takes {parameter.name} as a list in brackets that is not empty"
            )
        return
    if kind.endswith("_literal") and not isinstance(value, Literal):
        raise RefusalError(argument.offset, f"{name} takes {parameter.name} as a literal only")
    if not is_literal(value):
        return
    wrong = _wrong_type(kind, value) or _wrong_value(name, parameter, value)
    if wrong:
        raise RefusalError(argument.offset, f"{name}, {parameter.name}: {wrong}")


def _wrong_type(kind: Kind, value: Expression) -> str | None:
    if isinstance(value, (ListOf, MapOf)):
        of_list = isinstance(value, ListOf)
        fits = kind in {"any", "string_like"} or kind == ("slice" if of_list else "map")
        return None if fits else f"a {'list' if of_list else 'map'} is no {kind.removesuffix('_like')}"
    content = value.value if isinstance(value, Literal) else None
    if kind in _TYPES:
        return None if type(content) is _TYPES[kind] else f"{_written(content)} is no {kind.removesuffix('_literal')}"
    if kind in {"map", "slice"} or (kind in _READERS and isinstance(content, bytes)):
        return f"{_written(content)} is no {kind.removesuffix('_like')}"
    if kind in _READERS and isinstance(content, str):
        try:
            _READERS[kind](content)
        except ValueError as error:
            return str(error)
    return None


def _written(content: object) -> str:
    return "nil" if content is None else repr(content)


def _wrong_value(name: str, parameter: Parameter, value: Expression) -> str | None:
    content = value.value if isinstance(value, Literal) else None
    if name in _ID_BYTES:
        return _wrong_id(content, _ID_BYTES[name])
    if not isinstance(content, str):
        return None
    if parameter.name == "pattern":
        try:
            compile_re2(content)
        except ValueError as error:
            return f"{content!r} is no regular expression of RE2's; {error}"
    if parameter.name == "to_case" and content in {"snake", "camel"}:
        return f"the case {content!r} exists in OTTL but is not supported here; supported: 'lower', 'upper'"
    if parameter.name == "to_case" and content not in {"lower", "upper"}:
        return f"there is no case {content!r}{suggestion(content, ('lower', 'upper'))}"
    return None


def _wrong_id(content: object, size: int) -> str | None:
    if isinstance(content, (str, bytes)):
        raw = content.encode() if isinstance(content, str) else content
    else:
        raw = b"" if content is None else bytes(1 if isinstance(content, bool) else 8)
    if len(raw) == size:
        return None
    try:
        return (
            None
            if len(raw) == 2 * size and bytes.fromhex(raw.decode("ascii"))
            else f"it takes {size} bytes or {2 * size} digits"
        )
    except ValueError:
        return f"these are no {2 * size} hexadecimal digits"
