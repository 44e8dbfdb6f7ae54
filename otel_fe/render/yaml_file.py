"""Plain values as YAML: the same values are always the same bytes, and PyYAML is not needed."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_PLAIN: Final = re.compile(r"[A-Za-z/][A-Za-z0-9_./-]*|[0-9]+(\.[0-9]+)?(ms|s|m|h|d|Mi|Gi)")
_READ_AS_ANOTHER: Final = frozenset(("true", "false", "null", "yes", "no", "on", "off", "y", "n"))
_LONGEST_LINE: Final = 110


class Folded(str):
    """Text of several lines, written as a block."""

    __slots__ = ()


def write_yaml(value: Mapping[str, Any], comments: Sequence[str] = ()) -> str:
    """Return the text of a document; `comments` stand above it."""
    lines = [f"# {comment}".rstrip() for comment in comments]
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
    """Whether a list or mapping of scalars only may stand in one line."""
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
    # A JSON string is a YAML string.
    return json.dumps(value, ensure_ascii=False)
