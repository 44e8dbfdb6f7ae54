"""Modules that others import and hardly anybody uses, left out of a process of our own until somebody does.

`grpc` imports its asyncio half, and `asyncio`, which it imports even without that, imports TLS. A collector that receives by gRPC
has TLS from gRPC itself, and uses none of these, which together take a tenth of its memory.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any, Final

_HARDLY_USED: Final = ("grpc.aio", "ssl", "asyncio.sslproto")


class _PutOff(ModuleType):
    """Stands where a module will be, and has all that it has."""

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


def put_off(*names: str) -> None:
    """Have modules imported when somebody asks for something in them; one that is there already stays.

    Args:
        names: Those that are hardly used, by default.
    """
    for name in names or _HARDLY_USED:
        sys.modules.setdefault(name, _PutOff(name))
