"""A position in the tokens of a condition."""

from __future__ import annotations

import itertools
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from otel_fe.config.ottl.refusal import MismatchError, RefusalError

if TYPE_CHECKING:
    from collections.abc import Generator

    from otel_fe.config.ottl.lexer import Token

_DEEPEST: Final = 50
"""The most brackets that may be open at once, so that no text can exhaust Python's stack; OTTL has no limit."""
_NAMES: Final = frozenset(("upper", "lower"))
_SIGNS: Final = frozenset(("word", "punctuation"))


class Cursor:
    """Goes over tokens; `index` is the one that comes next."""

    def __init__(self, tokens: list[Token]) -> None:
        self.index = 0
        self._tokens = tokens
        self._depth = 0

    @property
    def token(self) -> Token:
        """The next token."""
        return self._tokens[self.index]

    def advance(self) -> Token:
        """Consume the next token, and return it."""
        token = self.token
        self.index += 1
        return token

    def at(self, text: str) -> bool:
        """Return whether the token is this word or sign."""
        return self.token.text == text and self.token.kind in _SIGNS

    def accept(self, text: str) -> bool:
        """Consume it if it is this word or sign."""
        found = self.at(text)
        self.index += found
        return found

    def name_before(self, text: str) -> str:
        """Return the name that comes next with this sign behind it, or nothing.

        A name may be several tokens, since the lexer splits at capitals: `I`, `s`, `M` and `atch` are `IsMatch`.
        """
        end = next(i for i in itertools.count(self.index) if self._tokens[i].kind not in _NAMES)
        if self._tokens[end].text != text or self._tokens[end].kind == "string":
            return ""
        return "".join(token.text for token in self._tokens[self.index : end])

    def skip_name(self) -> None:
        """Consume all tokens of a name."""
        while self.token.kind in _NAMES:
            self.index += 1

    def mismatch(self, wanted: str) -> MismatchError:
        """Raise the error that another token is expected."""
        if self.token.kind == "arrow":
            return MismatchError(self.token.offset, "lambda expressions exist in OTTL but are not supported here")
        return MismatchError(self.token.offset, f"found {self.token}; expected {wanted}")

    @contextmanager
    def brackets(self, closing: str = "") -> Generator[None]:
        """Consume an opening bracket, and after the block the closing one, unless the block has."""
        if self._depth >= _DEEPEST:
            raise RefusalError(self.token.offset, f"more than {_DEEPEST} nested brackets")
        self._depth += 1
        try:
            self.advance()
            yield
            if closing and not self.accept(closing):
                raise self.mismatch(closing)
        finally:
            self._depth -= 1
