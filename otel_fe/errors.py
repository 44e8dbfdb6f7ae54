"""The errors that otel_fe raises.

    OtelFeError
    ├── ConfigurationError      a setting that cannot be: what, where, and what would be right
    │   └── InvalidConfigError  a file that cannot be, with all its problems (in `config/problems.py`)
    └── MissingExtraError       a feature whose libraries are not installed: the pip command

Only configuring raises. Nothing raises out of a hook into the application: see `instrument/faults.py`.
"""

from __future__ import annotations


class OtelFeError(Exception):
    """Root of all errors raised by otel_fe."""


class ConfigurationError(OtelFeError, ValueError):
    """A setting has a value that cannot be used.

    Attributes:
        where: The variable, or the file, line and key, that holds the value.
        value: The value as it was found.
        wanted: What would be right.
    """

    def __init__(self, where: str, value: object, wanted: str) -> None:
        super().__init__(f"{where}: {value!r} cannot be used; {wanted}")
        self.where = where
        self.value = value
        self.wanted = wanted


class MissingExtraError(OtelFeError, ImportError):
    """A part of otel_fe was used whose libraries are not installed.

    Attributes:
        extra: The name of the extra that holds them.
    """

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs the extra {extra!r}: pip install 'otel-fe[{extra}]'")
        self.extra = extra
