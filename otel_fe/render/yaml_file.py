"""Writes plain values as YAML: deterministic, and without PyYAML."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_PLAIN: Final = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]*|[0-9]+(\.[0-9]+)?(ms|s|m|h|d|Mi|Gi)")
_READ_AS_ANOTHER: Final = frozenset(("true", "false", "null", "yes", "no", "on", "off", "y", "n"))
_BMP: Final = 0xFFFF
_LONGEST_LINE: Final = 110


class Folded(str):
    """Text of several lines, written as a block."""

    __slots__ = ()


def write_yaml(value: Mapping[str, Any], comments: Sequence[str] = ()) -> str:
    """Return the text of a document, below `comments`."""
    lines = [line for comment in comments for line in comment_lines(comment)]
    return "\n".join([*lines, *_mapping(value, "")]) + "\n"


def write_documents(values: Sequence[Mapping[str, Any]], comments: Sequence[str] = ()) -> str:
    """Return the text of several documents in one file."""
    first, *rest = values
    return "---\n".join([write_yaml(first, comments), *(write_yaml(value) for value in rest)])


def _mapping(value: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key, inner in value.items():
        yield from _entry(f"{indent}{_scalar(key)}:", inner, indent)


def _entry(head: str, value: Any, indent: str) -> Iterator[str]:
    """Yield a value behind its key or dash: in the same line where it is short, else in those below."""
    if isinstance(value, Folded):
        yield f"{head} |"
        yield from (f"{indent}  {line}".rstrip() for line in value.splitlines())
        return
    short = f"{head} {_flow(value)}"
    if not isinstance(value, (dict, list)) or not value or (_is_flat(value) and len(short) <= _LONGEST_LINE):
        yield short
    elif isinstance(value, dict):
        yield head
        yield from _mapping(value, f"{indent}  ")
    else:
        yield head
        yield from _items(value, f"{indent}  ")


def _items(values: list[Any], indent: str) -> Iterator[str]:
    for value in values:
        if isinstance(value, dict) and value and not (_is_flat(value) and len(_flow(value)) < _LONGEST_LINE):
            first, *rest = _mapping(value, f"{indent}  ")
            yield f"{indent}- {first.strip()}"
            yield from rest
        else:
            yield from _entry(f"{indent}-", value, indent)


def _is_flat(value: Any) -> bool:
    """Return whether a list or mapping of scalars fits in one line."""
    if isinstance(value, dict):
        return len(value) == 1 and not isinstance(next(iter(value.values())), (dict, list, Folded))
    return not any(isinstance(inner, (dict, list, Folded)) for inner in value)


def _flow(value: Any) -> str:
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_scalar(key)}: {_flow(inner)}' for key, inner in value.items())}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    if not isinstance(value, str):
        return json.dumps(value)
    if _PLAIN.fullmatch(value) and value.lower() not in _READ_AS_ANOTHER:
        return value
    if '"' in value and "'" not in value and value.isprintable():
        return f"'{value}'"
    return quoted(value)


def quoted(text: str) -> str:
    """Return a text in double quotes, as a JSON string is a YAML string; what cannot be printed is escaped.

    YAML takes U+0085, U+2028 and U+2029 for line breaks, and refuses other control characters.
    """
    return "".join(
        one if one.isprintable() else f"\\u{ord(one):04x}" if ord(one) <= _BMP else f"\\U{ord(one):08x}"
        for one in json.dumps(text, ensure_ascii=False)
    )


def comment_lines(comment: str, indent: str = "") -> list[str]:
    """Return a comment, line by line: a line break in it must not end it."""
    lines = comment.splitlines() or [""]
    printable = ("".join(one if one.isprintable() else " " for one in line) for line in lines)
    return [f"{indent}# {line}".rstrip() for line in printable]
