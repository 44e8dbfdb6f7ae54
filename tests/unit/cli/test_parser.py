"""The command line as a person meets it: suggestions, examples, errors, exit statuses."""

from __future__ import annotations

import argparse
import re
import shlex
import socket

import pytest

from otel_fe.cli.completion import command_of
from otel_fe.cli.main import main, parser


def parsers(whole=None, path="otel-fe"):
    """Yield every parser with its path."""
    whole = whole or parser()
    yield path, whole
    for action in whole._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                yield from parsers(below, f"{path} {name}")


def refused(capsys, *arguments):
    """Return what is printed about a wrong call."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    return captured.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["colector"], "there is no 'colector'; did you mean collector?"),
        (["demo", "--secods", "3"], "otel-fe demo: there is no option --secods; did you mean --seconds?"),
        (["dashboard", "--stroe", "x"], "there is no option --stroe; did you mean --store?"),
        (["render", "prometeus"], "there is no 'prometeus'; did you mean prometheus?"),
        (["profile", "--store", "x", "--format", "xml"], "there is no 'xml'; use collapsed, pprof or otlp"),
        (["demo", "extra"], "'extra': this command takes no such arguments"),
    ],
)
def test_misspelt_word_is_named_with_its_nearest(capsys, arguments, message):
    """The error has two lines: the word with its nearest match, and the command for help."""
    printed = refused(capsys, *arguments)
    assert message in printed
    assert printed.splitlines()[-1].startswith("Try: otel-fe")
    assert len(printed.splitlines()) == 2


@pytest.mark.parametrize("text", ["", " ", "x", "-1", "nan", "inf", "1e999", "9" * 5_000, "0", "１", "1h", "soon"])  # noqa: RUF001
def test_types_of_arguments_say_what_would_be_right(text):
    """Whatever is typed, no message names a Python function."""
    for path, one in parsers():
        for action in one._actions:
            if action.type is not None:
                try:
                    one._get_value(action, text)
                except argparse.ArgumentError as error:
                    assert not str(error.message).startswith("invalid "), (path, action.dest)


def test_every_command_has_examples_that_the_parser_takes():
    """Each line of them is a call that is right."""
    whole = parser()
    for path, one in parsers(whole):
        lines = re.findall(r"^  .*?(otel-fe [^#>)\n]*)", one.epilog or "", re.MULTILINE)
        assert (one.epilog or "").startswith("examples:\n"), path
        assert any(line.startswith(path) for line in lines), path
        for line in lines:
            assert whole.parse_args(shlex.split(line)[1:]).command, line


def test_every_option_has_help_and_every_command_quiet_and_verbose():
    """Every option has help, also those that are rarely needed."""
    for command in command_of(parser(), "otel-fe").walk():
        names = {name for option in command.options for name in option.names}
        assert {"--help", "--quiet", "--verbose"} <= names, command.path
        assert all(option.help for option in command.options), command.path


def test_no_command_prints_help_and_is_a_wrong_call(capsys):
    """Help is printed and the exit status is that of a usage error if there is no command, as with ruff and uv."""
    assert main([]) == 2
    assert "usage: otel-fe" in capsys.readouterr().err


def test_collector_without_configuration_points_to_up(capsys):
    """There is a command for those who have no YAML."""
    assert main(["collector"]) == 2
    assert "`otel-fe up`" in capsys.readouterr().err


def test_operating_system_errors_are_sentences(tmp_path, capsys):
    """An error of the operating system is a sentence without its number."""
    assert main(["check", str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"otel-fe check: {tmp_path}: Is a directory\n"


def test_verbose_prints_where_an_error_comes_from(tmp_path, capsys):
    """Before or after the command."""
    for arguments in (["-v", "check", str(tmp_path)], ["check", "-v", str(tmp_path)]):
        assert main(arguments) == 1
        printed = capsys.readouterr().err
        assert "Traceback" in printed
        assert printed.endswith(": Is a directory\n")


@pytest.mark.parametrize("command", [["explain"], ["profile"], ["changes"], ["dashboard", "--listen", "localhost:0"]])
def test_store_that_cannot_be_read_is_said_at_the_start(command, tmp_path, capsys):
    """A file in place of the folder, or one that is no database, is reported at the start, without an error number."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "store.sqlite3").write_bytes(b"rubbish " * 1_000)
    assert main([*command, "--store", str(tmp_path / "file")]) == 1
    assert main([*command, "--store", str(tmp_path / "broken")]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first.endswith("store.sqlite3: Not a directory")
    assert second.endswith("cannot be read (file is not a database)")


def test_why_says_that_neither_collector_nor_store_knows(tmp_path, capsys):
    """`why` queries the collector and the store before it says that neither knows the trace."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    arguments = ["why", "a" * 32, "--admin-endpoint", f"localhost:{port}", "--store", str(tmp_path)]
    assert main(arguments) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "(Connection refused)" in line
    assert line.endswith(f"{tmp_path} does not have the trace's decision either")
