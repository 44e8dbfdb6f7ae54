"""Runs a command. Exit statuses: 0, 1 for a failure or a finding, 2 for a wrong call, 130 for Ctrl-C, 141 for a closed pipe."""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from otel_fe.cli.capacity import add_capacity
from otel_fe.cli.changes import add_autopilot, add_changes
from otel_fe.cli.check import add_check
from otel_fe.cli.collector import add_commands
from otel_fe.cli.completion import add_completion
from otel_fe.cli.demo import add_demo
from otel_fe.cli.explain import add_explain
from otel_fe.cli.mcp import add_mcp
from otel_fe.cli.parser import WRONG_USE, Parser, examples
from otel_fe.cli.profile import add_profile
from otel_fe.cli.render import add_render
from otel_fe.cli.replay import add_replay
from otel_fe.cli.up import add_up
from otel_fe.dashboard.command import add_dashboard, add_to_another, companion
from otel_fe.errors import OtelFeError
from otel_fe.terminal import coloured, paint
from otel_fe.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    Commands = argparse._SubParsersAction[Any]

_FAILED: Final = 1
_INTERRUPTED: Final = 130
"""128 and SIGINT's number: what shells report."""
_PIPE_CLOSED: Final = 141
"""128 and SIGPIPE's number: what other programs report when their reader has left."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run `otel-fe` and return its exit status.

    Args:
        arguments: Those of the command line, without the program's name; None for the process's own.
    """
    _prepare_streams()
    if not (sys.argv[1:] if arguments is None else arguments):
        parser().print_help(sys.stderr)
        return WRONG_USE
    parsed = parser().parse_args(arguments)
    try:
        status = int(parsed.run(parsed))
        sys.stdout.flush()
    except BrokenPipeError:
        _silence_stdout()
        return _PIPE_CLOSED
    except KeyboardInterrupt:
        return _INTERRUPTED
    except Exception as error:
        return _failed(parsed, error)
    return status


def parser() -> Parser:
    """Return the parser of the whole command line."""
    whole = Parser(
        prog="otel-fe",
        description="Why are my features slow? Each command has a --help with examples.",
        epilog=examples(
            ("otel-fe up", "receive from your service and show why it is slow"),
            ("otel-fe explain", "what is slow, why, at which line, and what to do"),
            ("otel-fe demo", "an example service, from start to cause"),
        )
        + "\n\nexit status:\n  0 success, 1 failure or finding, 2 wrong call, 130 Ctrl-C, 141 closed pipe",
    )
    whole.add_argument("-V", "--version", action="version", version=f"otel-fe {__version__}")
    whole.set_defaults(quiet=False, verbose=False)
    commands = whole.add_subparsers(dest="command", required=True, metavar="command")
    for add in (
        add_up,
        add_explain,
        add_demo,
        add_check,
        add_capacity,
        add_replay,
        add_render,
        _add_collector,
        add_dashboard,
        add_profile,
        add_changes,
        add_autopilot,
        add_mcp,
    ):
        add(commands)
    add_completion(commands, whole)
    return whole


def _add_collector(commands: Commands) -> None:
    collector = add_commands(commands)
    add_to_another(collector)
    collector.set_defaults(companion=companion)


def _failed(parsed: argparse.Namespace, error: Exception) -> int:
    """Print why a command failed; return the exit status."""
    if parsed.verbose:
        traceback.print_exception(error)
    # Output that a full disk has refused would be refused again when the process ends.
    _silence_stdout()
    name = paint("red", f"otel-fe {parsed.command}", colour=coloured(sys.stderr))
    print(f"{name}: {_in_words(error)}", file=sys.stderr)
    if not parsed.verbose and not isinstance(error, (OtelFeError, OSError)):
        print("This is a bug in otel-fe; --verbose prints the traceback for a report.", file=sys.stderr)
    return WRONG_USE if isinstance(error, argparse.ArgumentError) else _FAILED


def _in_words(error: Exception) -> str:
    """Return what happened, without the number and the quotes of the operating system's errors."""
    if isinstance(error, OSError) and not isinstance(error, OtelFeError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, (OtelFeError, OSError, argparse.ArgumentError)):
        return str(error)
    return f"{type(error).__name__}: {error}"


def _silence_stdout() -> None:
    """Discard what stdout still holds, so that its flush at the end of the process does not fail a second time."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
        return
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _prepare_streams() -> None:
    """Print `?` for what the terminal's encoding lacks (a sentence with one wrong character is better than none)."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:  # the caller closed it: output is discarded
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 as long as the process lives
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
