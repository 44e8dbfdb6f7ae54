"""Values that can also be read as dictionaries, as callers of the seed's components do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any


class MappingDataclass(Mapping[str, Any]):
    """A value whose fields can also be read as a dictionary's entries."""

    def __getitem__(self, key: str) -> Any:
        if key not in self._names():
            raise KeyError(key)
        return getattr(self, key)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names())

    def __len__(self) -> int:
        return len(self._names())

    def _names(self) -> list[str]:
        dataclass_like: Any = self
        return [field.name for field in fields(dataclass_like)]
