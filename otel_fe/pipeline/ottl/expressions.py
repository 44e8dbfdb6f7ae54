"""From the values in a condition to functions that find them.

Functions take one subject: the span for a condition on spans, the pair of span and event for one on events.
They are nested closures rather than a walk over the tree, since a condition is evaluated on every span.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from otel_fe.config.ottl import tree
from otel_fe.config.ottl.converters import CONVERTERS
from otel_fe.model.re2 import compile_re2
from otel_fe.pipeline.ottl.arithmetic import calculate, negative
from otel_fe.pipeline.ottl.coercions import COERCIONS, WrongTypeError
from otel_fe.pipeline.ottl.converters import FUNCTIONS
from otel_fe.pipeline.ottl.indexing import index_attributes, index_result
from otel_fe.pipeline.ottl.paths import PATHS, trace_state_entry
from otel_fe.pipeline.ottl.values import OttlEvaluationError, RawList, from_raw, kind_of

if TYPE_CHECKING:
    from collections.abc import Callable

    Getter: TypeAlias = Callable[[Any], Any]

_QUESTIONS = frozenset(("IsBool", "IsDouble", "IsInt", "IsMap", "IsString"))


def getter(expression: tree.Expression, context: tree.Context) -> Getter:  # noqa: PLR0911 - one a class
    """Return the function that finds the value of an expression."""
    match expression:
        case tree.Literal(value):
            return lambda _subject: value
        case tree.ListOf(items):
            items_of = [getter(item, context) for item in items]
            return lambda subject: RawList(item(subject) for item in items_of)
        case tree.MapOf(pairs):
            values_of = {key: getter(value, context) for key, value in pairs}
            return lambda subject: {key: _inside_map(value(subject)) for key, value in values_of.items()}
        case tree.Path():
            return _path(expression, context)
        case tree.ConverterCall():
            return _call(expression, context)
        case tree.Negative(operand):
            of = getter(operand, context)
            return lambda subject: negative(of(subject))
        case tree.Arithmetic():
            return _arithmetic(expression, context)


def _inside_map(value: Any) -> Any:
    """Put a value into a map of the text, whose lists become attributes' lists but for the maps in them."""
    kind = kind_of(value)
    if kind == "raw list":
        return tuple(item if kind_of(item) == "map" else from_raw(item) for item in value)
    return value if kind == "map" else from_raw(value)


def _arithmetic(expression: tree.Arithmetic, context: tree.Context) -> Getter:
    first = getter(expression.first, context)
    rest: list[tuple[tree.Operator, Getter]] = [
        (operator, getter(operand, context)) for operator, operand in expression.rest
    ]

    def result(subject: Any) -> Any:
        value = first(subject)
        for operator, operand in rest:
            value = calculate(value, operator, operand(subject))
        return value

    return result


def _path(path: tree.Path, context: tree.Context) -> Getter:
    get = PATHS[path.context][path.name]
    keys = path.keys
    if context == "span" and len(keys) == 1 and isinstance(keys[0], tree.Literal) and path.name == "attributes":
        return _attribute(get, keys[0].value)
    if context == "spanevent":
        get = _of_pair(get, 1 if path.context == "spanevent" else 0)
    if not keys:
        return get
    key_of = [getter(key, context) for key in keys]
    if path.name == "trace_state":
        return lambda subject: trace_state_entry(get(subject), key_of[0](subject))
    return lambda subject: index_attributes(get(subject), (key(subject) for key in key_of))


def _attribute(attributes: Getter, key: Any) -> Getter:
    if isinstance(key, str):  # by far the most common, so without the detours of the general case
        return lambda span: attributes(span).get(key)
    return lambda span: index_attributes(attributes(span), (key,))


def _of_pair(get: Getter, place: int) -> Getter:
    return lambda pair: get(pair[place])


def _call(call: tree.ConverterCall, context: tree.Context) -> Getter:
    result = _unindexed(call, context)
    if call.arguments and all(value is None or tree.is_literal(value) for value in call.arguments):
        result = _once(result)
    if not call.keys:
        return result
    key_of = [getter(key, context) for key in call.keys]
    return lambda subject: index_result(result(subject), (key(subject) for key in key_of))


def _once(result: Getter) -> Getter:
    """Evaluate constants, such as `Duration("1s")`, in advance; their errors are still raised on evaluation."""
    try:
        value = result(None)
    except OttlEvaluationError:
        return result
    return lambda _subject: value


def _unindexed(call: tree.ConverterCall, context: tree.Context) -> Getter:
    if call.name == "IsRootSpan":
        return lambda span: span.parent_id == 0
    if call.name == "Coalesce":
        return _coalesce(call, context)
    arguments = [_argument(value, context) for value in call.arguments]
    coercions = [COERCIONS[parameter.kind] for parameter in CONVERTERS[call.name].parameters]
    if call.name in _QUESTIONS:
        return _question(arguments[0], coercions[0])
    if call.name == "IsMatch" and isinstance(call.arguments[1], tree.Literal):
        return _is_match(arguments[0], str(call.arguments[1].value))
    if call.name == "IsMatch":
        compile_re2("")  # so that a missing RE2 is reported now, and not by the first span
    function = FUNCTIONS[call.name]
    if len(arguments) == 1:
        (argument,), (coerce,) = arguments, coercions
        return lambda subject: function(coerce(argument(subject)))
    pairs = list(zip(coercions, arguments, strict=True))
    return lambda subject: function(*[coerce(argument(subject)) for coerce, argument in pairs])


def _argument(value: tree.Expression | None, context: tree.Context) -> Getter:
    return getter(tree.Literal(None) if value is None else value, context)


def _coalesce(call: tree.ConverterCall, context: tree.Context) -> Getter:
    values = call.arguments[0]
    alternatives = [getter(item, context) for item in values.items] if isinstance(values, tree.ListOf) else []

    def first(subject: Any) -> Any:
        # What comes behind the first value is not evaluated, and so cannot fail.
        for alternative in alternatives:
            value = alternative(subject)
            if value is not None:
                return value
        return None

    return first


def _question(argument: Getter, coerce: Callable[[Any], Any]) -> Getter:
    def answer(subject: Any) -> bool:
        value = argument(subject)
        try:
            coerce(value)
        except WrongTypeError:
            return False
        return True

    return answer


def _is_match(argument: Getter, pattern: str) -> Getter:
    search = compile_re2(pattern).search
    coerce = COERCIONS["string_like"]

    def answer(subject: Any) -> bool:
        text = coerce(argument(subject))
        return text is not None and search(text) is not None

    return answer
