"""An injected fault: an inner function of ours that raises, and the application's work meanwhile.

The application's part is run twice, without us and with the fault, and must come to the same. So it returns all that an
application can see: results, and exceptions by `tried`.
"""

from __future__ import annotations

import functools
import importlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from otel_fe import faults

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from otel_fe.testing import Captured


class OursError(Exception):
    """The injected fault."""


@dataclass
class Application:
    """The application's providers, servers and folder, and the fault to inject into otel_fe."""

    captured: Captured
    """Its providers: bare ones, or ones with otel_fe put in."""
    parts: dict[str, Any]
    """Real servers, by fixture."""
    folder: Path
    injection: Injection | None = None
    """The fault; None where the application runs without us."""
    patch: pytest.MonkeyPatch | None = None
    injected: list[str] = field(default_factory=list)
    """Which replaced functions have been called."""

    def arm(self) -> None:
        """Put the fault in; without us, nothing."""
        if self.injection is not None:
            for place in self.injection.breaks:
                self._break(place)

    def await_fault(self) -> None:
        """Wait for a fault in the background; without us, not at all."""
        deadline = time.monotonic() + 10
        while self.injection is not None and time.monotonic() < deadline:
            if faults.counts().get(self.injection.hook, 0) >= 2:
                return
            time.sleep(0.005)

    def _break(self, place: str) -> None:
        module, _, qualname = place.partition(":")
        *path, name = qualname.split(".")
        owner = functools.reduce(getattr, path, importlib.import_module(module))
        held = getattr(owner, name)

        def broken(*_args: Any, **_kwargs: Any) -> Any:
            self.injected.append(place)
            raise OursError(place)

        self.patch.setattr(owner, name, property(broken) if isinstance(held, property) else broken)


@dataclass(frozen=True)
class Injection:
    """One fault."""

    hook: str
    """The name that it must be counted under."""
    module: str
    """Where that hook is, below `otel_fe`."""
    breaks: tuple[str, ...]
    """The functions that raise: `module:qualified.name`."""
    work: Callable[[Application], Any]
    needs: tuple[str, ...] = ()
    """Fixtures."""
    settings: dict[str, Any] = field(default_factory=dict)
    when: str = "instrumented"
    """When the fault is put in: `before` we are switched on, once `instrumented`, or by the `work` itself."""

    def __str__(self) -> str:
        return f"{self.hook}-{self.breaks[-1].rpartition('.')[2].rpartition(':')[2]}-{self.work.__name__}"


INJECTIONS: list[Injection] = []


def injected(hook: str, module: str, *breaks: str, **more: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register what is decorated as the application's part of an injection; it may take several."""

    def register(work: Callable[..., Any]) -> Callable[..., Any]:
        INJECTIONS.append(Injection(hook, module, breaks, work, **more))
        return work

    return register


def tried(call: Callable[..., Any], *args: Any) -> tuple[Any, ...]:
    """Return what a call returns; or what it raises, with its arguments and the function that raised it."""
    try:
        return ("returned", call(*args))
    except Exception as error:
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        return ("raised", type(error), error.args, "" if trace is None else trace.tb_frame.f_code.co_name)
