"""The command `otel-fe completion`: scripts that complete commands, options and choices, generated from the parser.

The scripts are self-contained: no key press starts a Python process.
"""

from __future__ import annotations

import argparse
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from otel_fe.cli.parser import examples

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    Commands = argparse._SubParsersAction[Any]

_PROGRAM: Final = "otel-fe"


@dataclass(frozen=True, slots=True)
class Option:
    """An option as a shell completes it."""

    names: tuple[str, ...]
    help: str
    takes_value: bool
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Command:
    """A command as a shell completes it."""

    path: str
    """The words from the program's name on: `otel-fe render prometheus`."""
    help: str
    options: tuple[Option, ...]
    commands: tuple[Command, ...] = ()
    choices: tuple[str, ...] = ()
    """The choices of its arguments; empty if they are files."""

    def walk(self) -> Iterator[Command]:
        """Yield this one and all commands below it."""
        yield self
        for command in self.commands:
            yield from command.walk()


def add_completion(commands: Commands, whole: argparse.ArgumentParser) -> None:
    """Add it to the commands of `otel-fe`, whose parser it completes: `whole`."""
    completion = commands.add_parser(
        "completion",
        help="print a completion script for bash, zsh or fish",
        description="Print a script that completes the commands, options and choices of otel-fe.",
        epilog=examples(
            ('eval "$(otel-fe completion bash)"', "in ~/.bashrc; for zsh the same with zsh, in ~/.zshrc"),
            ("otel-fe completion fish > ~/.config/fish/completions/otel-fe.fish", "for fish"),
        ),
    )
    completion.add_argument("shell", choices=sorted(SCRIPTS), help="the shell to print a script for")

    def run(arguments: argparse.Namespace) -> int:
        print(SCRIPTS[arguments.shell](command_of(whole, _PROGRAM)))
        return 0

    completion.set_defaults(run=run)


def command_of(parser: argparse.ArgumentParser, path: str, help_: str = "") -> Command:
    """Return what a shell completes of a parser and those below it."""
    options, commands, choices = [], [], []
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            shown = {one.dest: one.help or "" for one in action._choices_actions}
            commands = [
                command_of(below, f"{path} {name}", shown.get(name, "")) for name, below in action.choices.items()
            ]
        elif action.option_strings:
            known = tuple(str(one) for one in action.choices or ())
            options.append(Option(tuple(action.option_strings), _first_line(action.help), action.nargs != 0, known))
        else:
            choices += [str(one) for one in action.choices or ()]
    return Command(path, _first_line(help_), tuple(options), tuple(commands), tuple(choices))


def bash(whole: Command) -> str:
    """Return the script for bash."""
    paths, values, words = [], [], []
    for command in whole.walk():
        paths.append(shlex.quote(command.path))
        names = " ".join(name for option in command.options for name in option.names)
        below = " ".join([*(one.path.rpartition(" ")[2] for one in command.commands), *command.choices])
        words.append(f"    {shlex.quote(command.path)}) options={shlex.quote(names)} words={shlex.quote(below)} ;;")
        valued = [option for option in command.options if option.takes_value]
        for option in valued:
            if option.choices:
                known = shlex.quote(" ".join(option.choices))
                values.append(
                    f'    {_after(command, [option])}) COMPREPLY=($(compgen -W {known} -- "$current")); return ;;'
                )
        if valued:
            values.append(f"    {_after(command, valued)}) COMPREPLY=(); return ;;")
    return "\n".join([
        "_otel_fe() {",
        '  local current="${COMP_WORDS[COMP_CWORD]}" before="${COMP_WORDS[COMP_CWORD-1]}" at=otel-fe word options words',
        '  for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do',
        f'    case "$at $word" in {"|".join(paths)}) at="$at $word" ;; esac',
        "  done",
        '  case "$at $before" in', *values, "  esac",
        '  case "$at" in', *words, "  esac",
        "  [[ $current == -* ]] && words=$options",
        '  COMPREPLY=($(compgen -W "$words" -- "$current"))',
        "}",
        "complete -o default -F _otel_fe otel-fe",
    ])  # fmt: skip


def zsh(whole: Command) -> str:
    """Return the script for zsh: to evaluate, or to put into a folder of `fpath` as `_otel-fe`."""
    paths, values, words = [], [], []
    for command in whole.walk():
        paths.append(shlex.quote(command.path))
        options = [_zsh_word(name, option.help) for option in command.options for name in option.names]
        below = [_zsh_word(one.path.rpartition(" ")[2], one.help) for one in command.commands]
        below += [_zsh_word(choice, "") for choice in command.choices]
        words.append(f"    {shlex.quote(command.path)}) options=({' '.join(options)}) below=({' '.join(below)}) ;;")
        valued = [option for option in command.options if option.takes_value]
        values += [
            f"    {_after(command, [option])}) compadd -- {shlex.join(option.choices)}; return ;;"
            for option in valued
            if option.choices
        ]
        if valued:
            values.append(f"    {_after(command, valued)}) _files; return ;;")
    return "\n".join([
        "#compdef otel-fe",
        "_otel_fe() {",
        "  local at=otel-fe word",
        "  local -a options below",
        "  for word in ${words[2,CURRENT-1]}; do",
        f'    case "$at $word" in {"|".join(paths)}) at="$at $word" ;; esac',
        "  done",
        '  case "$at ${words[CURRENT-1]}" in', *values, "  esac",
        '  case "$at" in', *words, "  esac",
        "  if [[ $PREFIX == -* ]]; then _describe option options",
        "  elif (( $#below )); then _describe command below",
        "  else _files; fi",
        "}",
        'if [[ $funcstack[1] == _otel-fe ]]; then _otel_fe "$@"; else compdef _otel_fe otel-fe; fi',
    ])  # fmt: skip


def fish(whole: Command) -> str:
    """Return the script for fish."""
    every = list(whole.walk())
    lines = [
        "function __otel_fe_at",
        "  set -l at otel-fe",
        "  for word in (commandline -opc)[2..-1]",
        '    switch "$at $word"',
        f"      case {' '.join(_fish_word(command.path) for command in every)}",
        '        set at "$at $word"',
        "    end",
        "  end",
        '  test "$at" = "$argv[1]"',
        "end",
    ]
    for command in every:
        start = f"complete -c otel-fe -n {_fish_word(f'__otel_fe_at {_fish_word(command.path)}')}"
        for below in command.commands:
            name = below.path.rpartition(" ")[2]
            lines.append(f"{start} -f -a {_fish_word(name)} -d {_fish_word(below.help)}")
        if command.choices:
            lines.append(f"{start} -f -a {_fish_word(' '.join(command.choices))}")
        lines += [f"{start} {_fish_option(option)}" for option in command.options]
    return "\n".join(lines)


SCRIPTS: Final[dict[str, Callable[[Command], str]]] = {"bash": bash, "fish": fish, "zsh": zsh}
"""Keyed by shell: the script for a program."""


def _after(command: Command, options: Sequence[Option]) -> str:
    """Return the pattern of a shell's `case` for the word behind an option."""
    return "|".join(shlex.quote(f"{command.path} {name}") for option in options for name in option.names)


def _fish_option(option: Option) -> str:
    names = [f"-l {name[2:]}" if name.startswith("--") else f"-s {name[1:]}" for name in option.names]
    value = [] if not option.takes_value else ["-r"]
    if option.choices:
        value.append(f"-f -a {_fish_word(' '.join(option.choices))}")
    return " ".join([*names, *value, "-d", _fish_word(option.help)])


def _fish_word(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _zsh_word(name: str, help_: str) -> str:
    return shlex.quote(f"{name}:{help_}" if help_ else name)


def _first_line(help_: str | None) -> str:
    """Return what an option is for, without what argparse would fill in."""
    return (help_ or "").partition(" (default")[0].partition("\n")[0]
