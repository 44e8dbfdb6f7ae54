"""Ids of components and pipelines: `type` or `type/name`."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from otel_fe.config import kinds
from otel_fe.config.document import Scalar
from otel_fe.config.reading import suggest

if TYPE_CHECKING:
    from otel_fe.config.reading import Kind, Place

SIGNALS: Final = ("traces", "metrics", "logs", "profiles")
"""The signals that a pipeline can carry."""
_TYPE: Final = re.compile(r"[a-zA-Z][0-9a-zA-Z_]{0,62}")
_LONGEST_NAME: Final = 1_024


@dataclass(frozen=True, slots=True, order=True)
class ComponentId:
    """The id of a component, `type` or `type/name`; as written in the file, so an alias of a type stays one."""

    type: str
    name: str = ""
    """Empty for none."""

    def __str__(self) -> str:
        return f"{self.type}/{self.name}" if self.name else self.type


@dataclass(frozen=True, slots=True, order=True)
class PipelineId:
    """The id of a pipeline, `signal` or `signal/name`."""

    signal: str
    """One of `SIGNALS`."""
    name: str = ""
    """Empty for none."""

    def __str__(self) -> str:
        return f"{self.signal}/{self.name}" if self.name else self.signal


def component_id(place: Place) -> ComponentId:
    """Read the id of a component from a string."""
    return ComponentId(*_parts(place, kinds.string(place)))


def extension(kind: str) -> Kind[ComponentId]:
    """Return the kind of ids of extensions of one type, which have to be defined (`pipelines.py` checks that)."""

    def read(place: Place) -> ComponentId:
        identifier = component_id(place)
        place.report.references.append((place, identifier, kind))
        return identifier

    return read


def component_key(place: Place) -> ComponentId:
    """Read the id of a component from the key of `place`."""
    return ComponentId(*_parts(place, place.name, value=False))


def pipeline_key(place: Place) -> PipelineId:
    """Read the id of a pipeline from the key of `place`."""
    signal, name = _parts(place, place.name, value=False)
    if signal not in SIGNALS:
        place.refuse(f"a pipeline carries traces, metrics, logs or profiles{suggest(signal, SIGNALS)}", value=False)
    return PipelineId(signal, name)


def _parts(place: Place, text: str, *, value: bool = True) -> tuple[str, str]:
    """Return an id's type and name, each without blanks around it, as in the Collector."""
    before, slash, after = text.partition("/")
    kind, name = before.strip(" \t\r\n"), after.strip(" \t\r\n")
    value = value and isinstance(place.node, Scalar)
    if not _TYPE.fullmatch(kind):
        place.refuse("an id is type or type/name; a type has letters, digits and _, and a letter first", value=value)
    printable = all(unicodedata.category(character)[0] not in "ZCS" for character in name)
    if (slash and not name) or len(name) > _LONGEST_NAME or not printable:
        place.refuse("an id is type or type/name; a name has no blanks or symbols", value=value)
    return kind, name
