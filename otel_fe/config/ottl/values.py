"""The values in a condition: literals, paths, calls and sums of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from otel_fe.config.ottl.arguments import Argument, arrange, lookup
from otel_fe.config.ottl.converters import CONVERTERS
from otel_fe.config.ottl.cursor import Cursor
from otel_fe.config.ottl.names import PathSegment, enum, resolve
from otel_fe.config.ottl.numbers import INT64_MAX, parse_float
from otel_fe.config.ottl.refusal import RefusalError, suggestion
from otel_fe.config.ottl.tree import (
    Arithmetic,
    Context,
    ConverterCall,
    Expression,
    ListOf,
    Literal,
    MapOf,
    Negative,
    Operator,
    Path,
)

if TYPE_CHECKING:
    from otel_fe.config.ottl.lexer import Token

_WORDS: Final = {"nil": None, "true": True, "false": False}


class ValueParser(Cursor):
    """Reads values."""

    def __init__(self, tokens: list[Token], context: Context) -> None:
        super().__init__(tokens)
        self._context: Context = context

    def value(self) -> Expression:
        """Read any value."""
        token = self.token
        if token.kind == "string":
            return Literal(self.advance().text)
        if token.kind == "word" and token.text in _WORDS:
            return Literal(_WORDS[self.advance().text])
        if token.kind == "bytes":
            return Literal(self._bytes())
        if token.kind == "upper" and not self.at_call():
            return Literal(self._enum())
        if self.at("[") or self.at("{"):
            return self._list() if self.at("[") else self._map()
        return self._sum()

    def _sum(self) -> Expression:
        first = self._product()
        rest: list[tuple[Operator, Expression]] = []
        while self.token.kind == "sign":
            rest.append((cast("Operator", self.advance().text), self._product()))
        return Arithmetic(first, tuple(rest)) if rest else first

    def _product(self) -> Expression:
        first = self._signed()
        rest: list[tuple[Operator, Expression]] = []
        while self.token.kind == "product":
            rest.append((cast("Operator", self.advance().text), self._signed()))
        return Arithmetic(first, tuple(rest)) if rest else first

    def _signed(self) -> Expression:
        sign = self.advance().text if self.token.kind == "sign" else "+"
        if self.at("("):
            with self.brackets(")"):
                inner = self._sum()
            return Negative(inner) if sign == "-" else inner
        if self.token.kind in {"int", "float"}:
            number = self._number()
            return Literal(-number if sign == "-" else number)
        leaf = self._leaf()
        return Negative(leaf) if sign == "-" else leaf

    def _leaf(self) -> Expression:
        if self.at_call():
            return self.call()
        if self.token.kind == "lower":
            return self._path()
        raise self.mismatch("a value")

    def _number(self) -> int | float:
        token = self.advance()
        if token.kind == "float":
            try:
                return parse_float(token.text)
            except ValueError as error:
                raise RefusalError(token.offset, str(error)) from None
        octal = len(token.text) > 1 and token.text.startswith("0")
        digits = token.text.lstrip("0") or "0"
        if octal and ("8" in digits or "9" in digits):
            raise RefusalError(token.offset, f"found {token}; a number that starts with 0 is octal")
        # 22 octal digits hold 64 bits; the length is looked at first so that no text is converted for minutes.
        if len(digits) > 22 or (number := int(digits, 8 if octal else 10)) > INT64_MAX:  # noqa: PLR2004
            raise RefusalError(token.offset, f"{token} does not fit in 64 bits")
        return number

    def _bytes(self) -> bytes:
        token = self.advance()
        if len(token.text) % 2:
            raise RefusalError(token.offset, f"found {token}; bytes have an even number of digits")
        return bytes.fromhex(token.text[2:])

    def _enum(self) -> int:
        token = self.advance()
        if self.token.kind == "lower":
            raise self.mismatch("something that is no name")
        return enum(token.text, token.offset)

    def _list(self) -> ListOf:
        items: list[Expression] = []
        with self.brackets():
            while not self.accept("]"):
                if items and not self.accept(","):
                    raise self.mismatch(", or ]")
                items.append(self.value())
        return ListOf(tuple(items))

    def _map(self) -> MapOf:
        items: dict[str, Expression] = {}
        with self.brackets():
            while not self.accept("}"):
                if self.token.kind != "string":
                    raise self.mismatch("a key in quotes, or }")
                key = self.advance().text
                if not self.accept(":"):
                    raise self.mismatch(":")
                items[key] = self.value()
                self.accept(",")
        return MapOf(tuple(items.items()))

    def at_call(self) -> bool:
        """Return whether a name and a parenthesis follow."""
        return bool(self.name_before("("))

    def call(self) -> ConverterCall:
        """Read a converter with its arguments and indices."""
        start, name = self.token, self.name_before("(")
        if start.kind == "lower":
            known = suggestion(name.replace("_", ""), CONVERTERS)
            raise RefusalError(start.offset, f"found {name}(; a converter starts with an upper case letter{known}")
        converter = lookup(name, start.offset, self._context)
        self.skip_name()
        given: list[Argument] = []
        with self.brackets():
            while not self.accept(")"):
                if given and not self.accept(","):
                    raise self.mismatch(", or )")
                given.append(self._argument())
        return ConverterCall(name, arrange(name, converter, given, start.offset), self._keys())

    def _argument(self) -> Argument:
        offset, name = self.token.offset, ""
        if self.token.kind == "lower" and (name := self.name_before("=")):
            self.skip_name()
            self.advance()
        return Argument(name, self.value(), offset)

    def _path(self) -> Path:
        segments: list[PathSegment] = []
        keys: tuple[Expression, ...] = ()
        while not segments or self.accept("."):
            if self.token.kind != "lower":
                raise self.mismatch("a name in lower case")
            token = self.advance()
            keys = self._keys()
            segments.append(PathSegment(token.text, len(keys), token.offset))
        context, name = resolve(segments, self._context)
        if name == "trace_state" and keys and not (isinstance(keys[0], Literal) and isinstance(keys[0].value, str)):
            raise RefusalError(segments[-1].offset, "trace_state takes one key, a string in quotes")
        return Path(context, name, keys)

    def _keys(self) -> tuple[Expression, ...]:
        keys: list[Expression] = []
        while self.at("["):
            with self.brackets("]"):
                keys.append(self._key())
        return tuple(keys)

    def _key(self) -> Expression:
        if self.token.kind == "string":
            return Literal(self.advance().text)
        # The original does not go on after a number: `[0 + 1]` is an error there, and so it is here.
        return Literal(self._number()) if self.token.kind == "int" else self._sum()
