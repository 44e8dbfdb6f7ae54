"""The command `otel-fe`: one file per command; what a command does is imported when it runs.

main.py        runs a command: exit statuses, errors as sentences, pipes that close
parser.py      argparse with suggestions, examples, and options that every command has
arguments.py   types of arguments
completion.py  completion scripts for bash, zsh and fish
"""

from __future__ import annotations

from otel_fe.cli.main import main

__all__ = ["main"]
