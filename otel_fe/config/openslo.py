"""Reads OpenSLO v1: SLOs over otel_fe's metrics, and the objects that they refer to in the same file.

Source: https://github.com/OpenSLO/OpenSLO (README.md, "Specification"). What is not supported is refused by name.
"""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from otel_fe.config import kinds
from otel_fe.config.document import Scalar, read_documents
from otel_fe.config.openslo_alerts import CONDITION, policy_section
from otel_fe.config.openslo_kinds import METADATA, description, unsupported
from otel_fe.config.openslo_slos import slo_document
from otel_fe.config.openslo_sources import TYPE, indicator_section
from otel_fe.config.problems import InvalidConfigError
from otel_fe.config.reading import Key, Place, Report, Section, attempt, suggest
from otel_fe.config.text_file import read_text_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from otel_fe.config.document import Document
    from otel_fe.config.problems import Problem
    from otel_fe.model.slo import Slo

VERSION: Final = "openslo/v1"
"""The supported `apiVersion`."""
DEFAULT: Final = "requirements.yaml"
"""The four requirements, in the package's `config/data/`."""
_TARGETS: Final = "AlertNotificationTarget"
_KINDS: Final = ("DataSource", "SLI", "AlertCondition", "AlertPolicy", "Service", "SLO")
"""The kinds in the order in which they are read: what refers to others comes after them."""


class OpenSlo:
    """The SLOs of some documents.

    Attributes:
        slos: In the order of the file.
        warnings: Settings that are pointless, or not as recommended.
    """

    def __init__(self, slos: Sequence[Slo], warnings: Sequence[Problem]) -> None:
        self.slos = tuple(slos)
        self.warnings = tuple(warnings)


def read_openslo(text: str, file: str, environ: Mapping[str, str]) -> OpenSlo:
    """Read a file of OpenSLO documents.

    Raises:
        InvalidConfigError: The file has problems; the error has all of them.
        MissingExtraError: PyYAML is not installed.
    """
    return read_openslo_documents(read_documents(text, file, environ))


def read_openslo_file(file: str | Path | None, environ: Mapping[str, str]) -> OpenSlo:
    """Read a file of OpenSLO documents; the four requirements where none is named.

    Raises:
        OSError: The file cannot be read.
        ConfigurationError: The file is not UTF-8, or has a problem.
        MissingExtraError: PyYAML is not installed.
    """
    if file is None:
        return read_openslo(default_text(), DEFAULT, environ)
    return read_openslo(read_text_file(file), str(file), environ)


def default_slos() -> tuple[Slo, ...]:
    """Return the four requirements, as `requirements.yaml` has them.

    Raises:
        MissingExtraError: PyYAML is not installed.
    """
    return read_openslo_file(None, {}).slos


def default_text() -> str:
    """Return the text of the requirements' file, for users to copy."""
    return (files("otel_fe.config") / "data" / DEFAULT).read_text(encoding="utf-8")


def read_openslo_documents(documents: Sequence[Document]) -> OpenSlo:
    """Read documents of one file, which may refer to each other.

    Raises:
        InvalidConfigError: The documents have problems.
    """
    report = Report()
    for document in documents:
        report.problems += document.problems
        report.warnings += document.warnings
    tops = [Place(document.root, "", report, document.root.position) for document in documents]
    found = _Documents(report)
    by_kind = [(kind, place) for place in tops if (kind := attempt(_kind, place, None)) is not None]
    for kind in _KINDS:
        for place in (place for one, place in by_kind if one == kind):
            found.add(kind, place)
    if not report.problems and not found.named["SLO"] and tops:
        tops[0].problem("the file has no document of kind SLO", value=False)
    if report.problems:
        raise InvalidConfigError(report.problems)
    return OpenSlo(
        [slo for slo in found.named["SLO"].values() if slo is not None],
        sorted(report.warnings, key=lambda warning: warning.position),
    )


def _kind(place: Place) -> str:
    """Read the kind of a document, which decides how the rest of it is read."""
    entries = place.entries()
    version = entries.get("apiVersion")
    if version is None or not isinstance(version.node, Scalar) or version.node.value != VERSION:
        (version or place).refuse(f"give apiVersion: {VERSION}", value=version is not None)
    if "kind" not in entries:
        place.refuse(f"give the kind: one of {', '.join(_KINDS)}", value=False)
    kind = kinds.text(entries["kind"])
    if kind == _TARGETS:
        entries["kind"].refuse(
            "otel_fe does not route notifications: name the target with targetRef, and remove this document"
        )
    if kind not in _KINDS:
        entries["kind"].refuse(f"OpenSLO v1 has no such kind{suggest(kind, _KINDS)}; use one of {', '.join(_KINDS)}")
    return kind


class _Documents:
    """The documents read so far, by kind and name; None for an invalid one, so that references to it resolve."""

    def __init__(self, report: Report) -> None:
        self.report = report
        self.named: dict[str, dict[str, Any]] = {kind: {} for kind in _KINDS}
        self._sli = indicator_section(self.named["DataSource"])
        self._policy = policy_section(self.named["AlertCondition"])
        self._specs: dict[str, Section[Any]] = {
            "DataSource": _DATA_SOURCE,
            "SLI": self._sli,
            "AlertCondition": CONDITION,
            "AlertPolicy": self._policy,
            "Service": _SERVICE,
        }

    def add(self, kind: str, place: Place) -> None:
        """Read a document."""
        name = self._name(kind, place)
        if kind == "SLO":
            read = slo_document(self.named["SLI"], self.named["AlertPolicy"], (self._sli, self._policy))
        else:
            read = Section(
                _spec_of,
                {
                    "apiVersion": _TEXT,
                    "kind": _TEXT,
                    "metadata": _METADATA,
                    "spec": Key(self._specs[kind], required="give the spec"),
                },
            )
        found = attempt(read, place, None)
        if name is not None:
            self.named[kind][name] = found

    def _name(self, kind: str, place: Place) -> str | None:
        """Return a document's name, and refuse one that another of its kind has."""
        metadata = place.entries().get("metadata")
        if metadata is None:
            return None
        inner = attempt(Place.entries, metadata, {}).get("name")
        name = inner.node.value if inner is not None and isinstance(inner.node, Scalar) else None
        if inner is None or not isinstance(name, str):
            return None
        if name in self.named[kind]:
            inner.problem(f"another {kind} in this file already has this name; use a unique one")
            return None
        return name


def _spec_of(spec: Any, **_: Any) -> Any:
    return spec


_TEXT: Final = Key(kinds.text)
_METADATA: Final = Key(METADATA, required="give the metadata, with a name")
_SERVICE: Final = Section(lambda **_: "", {"description": Key(description)})
_DATA_SOURCE: Final = Section(
    lambda type, **_: type,  # noqa: A006 the key's own name
    {
        "description": Key(description),
        "type": Key(kinds.choice(TYPE), required=f"give type: {TYPE}"),
        "connectionDetails": Key(unsupported("there is nothing to connect to")),
    },
)
