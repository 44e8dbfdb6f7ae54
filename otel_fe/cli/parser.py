"""argparse with suggestions for what is misspelt, short errors, examples, and the options that every command has."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any, Final, NoReturn

from otel_fe.nearest import did_you_mean
from otel_fe.terminal import coloured, paint

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

WRONG_USE: Final = 2
"""The exit status of a wrong call."""


class Parser(argparse.ArgumentParser):
    """A parser of `otel-fe` or of one of its commands: subparsers are of this class too.

    The examples of a command, one per line, are below its options: `parser.epilog`.
    """

    def __init__(self, **settings: Any) -> None:
        settings.setdefault("formatter_class", _Help)
        super().__init__(**settings)
        output = self.add_argument_group("output")
        # Suppressed, so that a subparser's default does not override an option before the command.
        for names, help_ in (
            (("-q", "--quiet"), "print results and errors only: no progress, no notes"),
            (("-v", "--verbose"), "on an error, also print the traceback"),
        ):
            output.add_argument(*names, action="store_true", default=argparse.SUPPRESS, help=help_)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, and refuse options that this parser does not have, before reporting missing ones."""
        given = list(sys.argv[1:] if args is None else args)
        self._refuse_unknown(given)
        found, rest = super().parse_known_args(given, namespace)
        if rest:
            self.error(f"{' '.join(map(repr, rest))}: this command takes no such arguments")
        return found, rest

    def error(self, message: str) -> NoReturn:
        """Print what is wrong and where help is, and exit with status 2."""
        colour = coloured(sys.stderr)
        print(f"{paint('red', self.prog, colour=colour)}: {message}", file=sys.stderr)
        print(f"Try: {paint('bold', f'{self.prog} --help', colour=colour)}", file=sys.stderr)
        sys.exit(WRONG_USE)

    def _refuse_unknown(self, given: Sequence[str]) -> None:
        subcommands = any(isinstance(action, argparse._SubParsersAction) for action in self._actions)
        for argument in given:
            if argument == "--" or (subcommands and not argument.startswith("-")):
                return  # what follows is another parser's, or no option
            name = argument.partition("=")[0]
            if not name.startswith("--") or any(known.startswith(name) for known in self._option_string_actions):
                continue
            options = [known for known in self._option_string_actions if known.startswith("--")]
            self.error(f"there is no option {name}{_suggestion(name, options)}")

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        """Refuse what is none of an argument's choices, with the nearest one."""
        if action.choices is None or value in action.choices:
            return
        choices = [str(one) for one in action.choices]
        message = f"there is no {value!r}{_suggestion(str(value), choices) or f'; use {_either(choices)}'}"
        if isinstance(action, argparse._SubParsersAction):
            self.error(f"{action.metavar or 'command'}: {message}")
        raise argparse.ArgumentError(action, message)

    def _get_value(self, action: argparse.Action, arg_string: str) -> Any:
        """Read an argument; a type that only raises `ValueError` is not named by its Python function."""
        try:
            return super()._get_value(action, arg_string)
        except argparse.ArgumentError as error:
            if (error.message or "").startswith("invalid "):
                raise argparse.ArgumentError(action, f"{arg_string!r} cannot be used") from None
            raise


class _Help(argparse.RawDescriptionHelpFormatter):
    """Wraps descriptions to the terminal's width, and leaves examples as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith("examples:"):
            return super()._fill_text(text, width, indent)
        return argparse.HelpFormatter._fill_text(self, text, width, indent)

    def _get_help_string(self, action: argparse.Action) -> str:
        return action.help or ""


def examples(*lines: tuple[str, str]) -> str:
    """Return the epilog of a command: pairs of a command line and what it is for."""
    width = max(len(line) for line, _ in lines)
    return "\n".join(["examples:", *(f"  {line:<{width}}  # {what}".rstrip("# ") for line, what in lines)])


def _suggestion(name: str, known: Iterable[str]) -> str:
    return did_you_mean(name, known)


def _either(choices: Sequence[str]) -> str:
    return choices[0] if len(choices) == 1 else f"{', '.join(choices[:-1])} or {choices[-1]}"
