"""Parses the tokens of a condition into a tree: OTTL's grammar, by recursive descent.

The original tries alternatives in order and keeps the first that fits (a parenthesis opens a sum or a condition, and only what
follows tells). Where one token decides, this reads ahead once; elsewhere it tries, goes back, and remembers the failure that came
furthest for the message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar, cast

from otel_fe.config.ottl.lexer import tokens
from otel_fe.config.ottl.refusal import MismatchError, OttlSyntaxError, RefusalError
from otel_fe.config.ottl.tree import (
    AllOf,
    AnyOf,
    Boolean,
    Comparator,
    Comparison,
    Condition,
    Constant,
    Context,
    Inverted,
    Truth,
)
from otel_fe.config.ottl.values import ValueParser

if TYPE_CHECKING:
    from collections.abc import Callable

_Read = TypeVar("_Read")
_CONTEXTS: Final[dict[str, Context]] = {"span": "span", "spanevent": "spanevent"}


def parse_condition(text: str, context: str) -> Condition:
    """Read a condition.

    Args:
        text: As in `ottl_condition`; paths may leave out their context, which is then `context`.
        context: `span` or `spanevent`.

    Raises:
        OttlSyntaxError: The text is no condition, or uses an unsupported feature.
        MissingExtraError: The condition has a regular expression, and RE2 is not installed.
        ValueError: The context is unknown.
    """
    of = _CONTEXTS.get(context)
    if of is None:
        raise ValueError(f"there is no context {context!r}; known: {', '.join(_CONTEXTS)}")
    try:
        return Condition(text, of, _ConditionParser(text, of).condition())
    except RefusalError as refusal:
        raise OttlSyntaxError(text, refusal.offset + 1, refusal.message) from None


class _ConditionParser(ValueParser):
    def __init__(self, text: str, context: Context) -> None:
        super().__init__(tokens(text), context)
        self._furthest: MismatchError | None = None

    def condition(self) -> Boolean:
        """Read the whole text."""
        tree = self._alternatives()
        if self.token.kind != "end":
            raise self._furthest_of(self.mismatch("`and`, `or` or the end"))
        return tree

    def _alternatives(self) -> Boolean:
        operands = [self._conjunction()]
        while self.accept("or"):
            operands.append(self._conjunction())
        return operands[0] if len(operands) == 1 else AnyOf(tuple(operands))

    def _conjunction(self) -> Boolean:
        operands = [self._operand()]
        while self.accept("and"):
            operands.append(self._operand())
        return operands[0] if len(operands) == 1 else AllOf(tuple(operands))

    def _operand(self) -> Boolean:
        if self.accept("not"):
            return Inverted(self._bare_operand())
        return self._bare_operand()

    def _bare_operand(self) -> Boolean:
        comparison = self._attempt(self._comparison)
        if comparison is not None:
            return comparison
        if self.token.text in {"true", "false"} and self.token.kind == "word":
            return Constant(self.advance().text == "true")
        if self.at_call():
            return Truth(self.call())
        if self.at("("):
            with self.brackets():
                inner = self._alternatives()
                if not self.accept(")"):
                    raise self._furthest_of(self.mismatch("`and`, `or` or )"))
            return inner
        raise self._furthest_of(self.mismatch("a comparison, a converter, true, false or ("))

    def _comparison(self) -> Comparison:
        left = self.value()
        if self.at("="):
            raise MismatchError(self.token.offset, "found '='; equality is written ==")
        if self.token.kind != "comparison":
            raise self.mismatch("a comparison (==, !=, <, <=, >, >=)")
        comparator = cast("Comparator", self.advance().text)
        return Comparison(left, comparator, self.value())

    def _attempt(self, read: Callable[[], _Read]) -> _Read | None:
        start = self.index
        try:
            return read()
        except MismatchError as mismatch:
            self.index = start
            self._furthest = self._furthest_of(mismatch)
            return None

    def _furthest_of(self, mismatch: MismatchError) -> MismatchError:
        if self._furthest is not None and self._furthest.offset > mismatch.offset:
            return self._furthest
        return mismatch
