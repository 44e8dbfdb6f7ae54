"""Compiles the modules of `otel_fe/compiled`: hatchling's build hook, for every installation and every wheel.

Without a C compiler, or where compiling fails, the package is installed all the same, and does everything in Python.
`OTEL_FE_COMPILED=required` makes such a build fail, as a release should; `OTEL_FE_COMPILED=false` does not try.
"""

from __future__ import annotations

import os
import runpy
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = "otel_fe.compiled"
SWITCH = "OTEL_FE_COMPILED"
UNDEBUGGED = ["-g0"] if os.name == "posix" else []
"""Python's own flags ask for debug information, which is four fifths of each module and half as much time again to compile."""
DIRECTIVES = {"boundscheck": False, "wraparound": False, "cdivision": True, "initializedcheck": False}


class CompileHook(BuildHookInterface):  # type: ignore[misc]
    """Called by hatchling."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 it is handed in by name
        """Compile beside the source; a wheel that has the result is one of this platform."""
        if self.target_name != "wheel":
            return
        wanted = os.environ.get(SWITCH, "").strip().lower() or "true"
        if wanted not in {"true", "false", "required"}:
            raise ValueError(f"{SWITCH}={wanted}: use true, false or required")
        if wanted == "false":
            return
        try:
            compile_beside(Path(self.root))
        except (Exception, SystemExit) as error:  # setuptools ends the process where a compiler is missing
            if wanted == "required":
                raise
            reason = f"{type(error).__name__}: {error}"
            print(f"otel_fe: not compiled, and so slower as a collector: {reason}", file=sys.stderr)
            return
        build_data["pure_python"] = False
        build_data["infer_tag"] = True
        build_data["artifacts"].append(f"otel_fe/compiled/*{_suffix()}")


def compile_beside(root: Path) -> list[Path]:
    """Compile each module into its package below `root`, several at a time; return the files.

    Raises:
        Exception, SystemExit: One cannot be compiled.
    """
    from Cython.Build import cythonize  # noqa: PLC0415 where they are missing, that is an error like any other here
    from setuptools import Distribution, Extension  # noqa: PLC0415
    from setuptools.command.build_ext import build_ext  # noqa: PLC0415

    folder = root / "otel_fe" / "compiled"
    sources = sorted(folder.glob("*.pyx"))
    digest = runpy.run_path(str(folder / "digest.py"))["source_digest"](folder)
    macros = [("OTEL_FE_SOURCES", f'"{digest}"')]
    before = Path.cwd()
    os.chdir(root)  # both tools take paths relative to the folder that they run in
    try:
        with tempfile.TemporaryDirectory() as temporary:
            extensions = [
                Extension(
                    f"{PACKAGE}.{source.stem}",
                    [str(source.relative_to(root))],
                    define_macros=macros,
                    extra_compile_args=UNDEBUGGED,
                )
                for source in sources
            ]
            made = cythonize(
                extensions, build_dir=temporary, quiet=True, language_level=3, compiler_directives=DIRECTIVES
            )
            distribution = Distribution({"name": "otel_fe", "ext_modules": made, "packages": [], "py_modules": []})
            command = build_ext(distribution)
            command.inplace, command.build_temp, command.parallel = True, temporary, True
            command.ensure_finalized()
            command.run()
    finally:
        os.chdir(before)
    return [source.with_name(f"{source.stem}{_suffix()}") for source in sources]


def _suffix() -> str:
    return str(sysconfig.get_config_var("EXT_SUFFIX"))


if __name__ == "__main__":
    print(*compile_beside(Path(__file__).parents[1]), sep="\n")
