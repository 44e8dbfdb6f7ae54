"""The command `otel-fe profile`: stacks of the slow extractions of a store, for the tools that read profiles."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from otel_fe.cli.arguments import duration_ns, trace_id
from otel_fe.errors import OtelFeError, needs_extra

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from otel_fe.profiles.stacks import SlowExtraction
    from otel_fe.store import StoreReader

    Commands = argparse._SubParsersAction[Any]

_FORMATS: Final = ("collapsed", "pprof", "otlp")
_MOST: Final = 5_000


def add_profile(commands: Commands) -> None:
    """Add the command to those of `otel-fe`."""
    profile = commands.add_parser(
        "profile",
        help="write the stacks of slow extractions: collapsed, as pprof or as OTLP profiles",
        description="Write the stacks of the slow extractions that a collector has stored.",
        epilog="examples:\n"
        "  otel-fe profile --store store --since 1h > stacks.txt          # flamegraph.pl, speedscope\n"
        "  otel-fe profile --store store --format pprof --out slow.pb.gz  # go tool pprof -http : slow.pb.gz\n",
    )
    profile.add_argument("--store", required=True, type=Path, metavar="DIR", help="the collector's store")
    profile.add_argument(
        "--since", type=duration_ns, default="1h", metavar="DURATION", help="how far back (default 1h)"
    )
    profile.add_argument("--service", metavar="NAME", help="only of this service")
    profile.add_argument("--feature-set", metavar="NAME", help="only of this feature set")
    profile.add_argument("--trace", type=trace_id, metavar="ID", help="only of this trace, however old")
    profile.add_argument(
        "--format", choices=_FORMATS, default=_FORMATS[0], help="how to write them (default %(default)s)"
    )
    profile.add_argument("--out", type=Path, metavar="FILE", help="file to write (default: standard output)")
    profile.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the profile; return the exit status.

    Raises:
        MissingExtraError: Reading a store needs the extra `collector`.
        OtelFeError: The store cannot be read, there are no stacks in it, or binary output would go to a terminal.
    """
    with needs_extra("otel-fe profile", "collector"):
        from otel_fe.store import StoreReader  # noqa: PLC0415 only this command needs it
    if arguments.format != "collapsed" and arguments.out is None and sys.stdout.isatty():
        raise OtelFeError(f"--format {arguments.format} is binary: add --out FILE, or redirect the output")
    with StoreReader(arguments.store) as reader:
        found = _found(reader, arguments)
    if not any(one.stacks for one in found):
        raise OtelFeError(_nothing(len(found), arguments))
    data = _written(arguments.format, found)
    if arguments.out is None:
        sys.stdout.buffer.write(data)
    else:
        arguments.out.write_bytes(data)
        print(
            f"{arguments.out}: the stacks of {sum(bool(one.stacks) for one in found)} slow extractions", file=sys.stderr
        )
    return 0


def _found(reader: StoreReader, arguments: argparse.Namespace) -> Sequence[SlowExtraction]:
    from otel_fe.store import Selection  # noqa: PLC0415 likewise

    if arguments.trace is not None:
        return reader.slow_extractions_of(arguments.trace)
    now_ns = time.time_ns()
    selection = Selection(now_ns - arguments.since, now_ns, arguments.service, arguments.feature_set)
    return reader.slow_extractions(selection, limit=_MOST).sampled


def _nothing(slow: int, arguments: argparse.Namespace) -> str:
    where = f"trace {arguments.trace:032x}" if arguments.trace is not None else "that time"
    if slow:
        return f"{arguments.store}: the {slow} slow extractions of {where} have no stacks: where they ran, they were not sampled"
    return f"{arguments.store}: no slow extractions in {where}; --since looks further back"


def _written(form: str, found: Sequence[SlowExtraction]) -> bytes:
    from otel_fe.profiles.collapsed import collapsed  # noqa: PLC0415 likewise
    from otel_fe.profiles.otlp_profiles import otlp_profiles  # noqa: PLC0415 likewise
    from otel_fe.profiles.pprof import pprof  # noqa: PLC0415 likewise

    write: dict[str, Callable[[Sequence[SlowExtraction]], bytes]] = {
        "collapsed": lambda those: collapsed(those).encode(),
        "pprof": pprof,
        "otlp": lambda those: bytes(otlp_profiles(those).SerializeToString()),
    }
    return write[form](found)
