"""The module that this process runs as its script: it is called `__main__`, whatever its file is called."""

from __future__ import annotations

import sys
from pathlib import PurePath


def runs_as_script(module: str) -> str:
    """Return how a module is run as the script, for example `python app.py`; empty where it is not the script."""
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return f"python -m {module}" if spec.name == module else ""
    # Under the launcher the script has not begun: only the command line names it.
    first = sys.argv[0] if sys.argv else ""
    if first == "-m":
        name = _after_m(getattr(sys, "orig_argv", []))
        return f"python -m {name}" if module in (name, f"{name}.__main__") else ""
    path = PurePath(getattr(main, "__file__", None) or first)
    parts = (*path.parts[:-1], path.stem)
    wanted = tuple(module.split("."))
    return f"python {path}" if path.suffix == ".py" and parts[-len(wanted) :] == wanted else ""


def _after_m(argv: list[str]) -> str:
    for at, argument in enumerate(argv[1:], 1):
        if argument.startswith("-") and not argument.startswith("--") and "m" in argument:
            rest = argument.partition("m")[2]
            return rest or (argv[at + 1] if at + 1 < len(argv) else "")
    return ""
