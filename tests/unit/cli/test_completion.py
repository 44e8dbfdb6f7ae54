"""Completion scripts: bash's is run, since bash is everywhere; the others are read."""

from __future__ import annotations

import re
import shutil
import subprocess

import pytest

from otel_fe.cli.completion import SCRIPTS, command_of
from otel_fe.cli.main import main, parser


def completed(*words):
    """Return what bash offers for the last of the words."""
    line = " ".join(f"'{word}'" for word in ("otel-fe", *words))
    script = SCRIPTS["bash"](command_of(parser(), "otel-fe"))
    source = f"{script}\nCOMP_WORDS=({line})\nCOMP_CWORD={len(words)}\n_otel_fe\nprintf '%s\\n' \"${{COMPREPLY[@]}}\""
    return subprocess.run(["bash", "-c", source], capture_output=True, text=True, check=True).stdout.split()


def test_commands_options_and_choices_are_completed():
    """Completion depends on the position in the line."""
    assert completed("co") == ["collector", "completion"]
    assert completed("render", "") == ["prometheus", "collector"]
    assert completed("render", "collector", "--po") == []
    assert completed("render", "collector", "--conf") == ["--config"]
    assert completed("profile", "--format", "") == ["collapsed", "pprof", "otlp"]
    assert completed("completion", "") == ["bash", "fish", "zsh"]
    assert completed("profile", "--store", "st") == []  # files are bash's own to complete


@pytest.mark.parametrize("shell", sorted(SCRIPTS))
def test_script_has_every_command_and_option(shell, capsys):
    """Made of the parser, so that it has no other."""
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for command in command_of(parser(), "otel-fe").walk():
        assert command.path in script
        for option in command.options:
            for name in option.names:
                assert re.search(rf"(?:^|\W){re.escape(name) if shell != 'fish' else name.lstrip('-')}\b", script), name


@pytest.mark.parametrize("shell", [one for one in sorted(SCRIPTS) if shutil.which(one)])
def test_script_is_valid_where_the_shell_is_installed(shell):
    """The script is valid in each installed shell, of which bash must be one."""
    script = SCRIPTS[shell](command_of(parser(), "otel-fe"))
    done = subprocess.run([shell, "-n"], input=script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
