"""The collector's active configuration, which may differ from the present text of its file."""

from __future__ import annotations


class InForce:
    """A configuration, in the place of its file. Any thread may read it while another changes it.

    Args:
        name: Of the file.
        text: What it held when it came into force.
    """

    def __init__(self, name: str, text: str) -> None:
        self._name = name
        self.text = text

    def read_text(self, encoding: str) -> str:  # noqa: ARG002 it is text already
        """Return what is in force."""
        return self.text

    def __str__(self) -> str:
        return self._name
