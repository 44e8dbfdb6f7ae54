"""Hamilton's drivers: an execution is the extraction, its nodes are the children.

Each node runs through one function of Hamilton's, around its lifecycle adapters. An adapter of otel_fe would be visible
in `driver.adapter`, and sent to other executors; so that function is replaced instead.
"""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any, Final

from otel_fe.instrument.libraries.calls import innermost
from otel_fe.instrument.libraries.hooked import HookedFunction, HookedMethods
from otel_fe.instrument.libraries.kind import CallKind
from otel_fe.instrument.libraries.library import About
from otel_fe.instrument.libraries.observed_function import observed
from otel_fe.instrument.libraries.shapes import columns, cut, rows

if TYPE_CHECKING:
    from otel_fe.instrument.libraries.kind import Arguments, Counts, Named
    from otel_fe.instrument.libraries.library import Replaced

_MADE_UP: Final = "temporary_module"
"""Prefix of the names of modules that Hamilton makes of functions; the rest is random."""

ABOUT: Final = About(
    library="hamilton",
    extraction="`Driver.execute`, `Driver.materialize` and `AsyncDriver.execute`, named by the modules of the driver",
    children="the nodes, but of `AsyncDriver` and in executors' own threads and processes",
    versions=("1.76.0", "1.90.0"),
)


def patches() -> list[Replaced]:
    """Return what to replace in Hamilton, now that its driver is imported."""
    driver = sys.modules["hamilton.driver"].Driver
    node = functools.partial(observed, kind=_NODE, method=False)
    return [
        HookedMethods(driver, ("execute", "materialize"), functools.partial(observed, kind=_EXECUTION, method=True)),
        HookedFunction("hamilton.execution.graph_functions", "execute_lifecycle_for_node", node),
    ]


def _name(args: Arguments, _kwargs: Named) -> str:
    """Return the names of the modules that the driver was made of."""
    names = [str(module.__name__) for module in getattr(args[0], "graph_modules", ())]
    return cut(", ".join(sorted({_MADE_UP if name.startswith(_MADE_UP) else name for name in names}))) or "Driver"


def _counts(_args: Arguments, _kwargs: Named, result: Any) -> Counts:
    """Return rows and columns of the result; of a mapping by name, only the number of entries."""
    return (None, len(result)) if isinstance(result, dict) else (rows(result), columns(result))


def _node_name(_args: Arguments, kwargs: Named, _outer: Any = None) -> str:
    return str(kwargs["__node_"].name)


def _in_an_execution(_args: Arguments, _kwargs: Named) -> bool:
    """Return whether a node runs directly in an execution; asyncio's driver only creates tasks here."""
    outer = innermost.get()
    return outer is not None and outer.kind is _EXECUTION


_EXECUTION: Final = CallKind(ABOUT.library, _name, counts=_counts)
_NODE: Final = CallKind(ABOUT.library, _node_name, _node_name, applies=_in_an_execution)
ASYNCHRONOUS: Final = CallKind(ABOUT.library, _name, counts=_counts)
