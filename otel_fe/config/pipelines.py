"""The pipelines of a Collector's configuration. Every component they name has to exist, to fit and to be connected.

Cycles are not checked: the only connector of otel_fe makes metrics from traces, and nothing makes traces from metrics.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from otel_fe.config import kinds
from otel_fe.config.components import COMPONENTS, ComponentType
from otel_fe.config.exporters import OtlpHttp
from otel_fe.config.identifiers import ComponentId, PipelineId, component_id, pipeline_key
from otel_fe.config.reading import Fields, Key, Place, Refused, Report, Section, attempt, read_quietly, suggest

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_ROLES: Final = {"receivers": "receiver", "processors": "processor", "exporters": "exporter"}


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The receivers, processors and exporters that data of one signal passes through."""

    receivers: tuple[ComponentId, ...]
    """Receivers, and connectors that another pipeline ends with."""
    exporters: tuple[ComponentId, ...]
    """Exporters, and connectors that another pipeline starts with."""
    processors: tuple[ComponentId, ...] = ()
    """In the order in which data passes them."""


@dataclass(frozen=True, slots=True)
class Component:
    """A component that the file defines."""

    place: Place
    type: ComponentType | None
    """None where its type is unknown."""
    settings: Any
    """None where they were refused."""


Defined = dict[str, dict[ComponentId, Component]]
"""The components of a file by section."""


@dataclass(frozen=True, slots=True)
class _Use:
    """A pipeline's naming of a component."""

    pipeline: PipelineId
    role: str
    """`receivers`, `processors` or `exporters`."""
    component: ComponentId
    place: Place


def _once(fields: Fields) -> None:
    for key, place in fields.places.items():
        seen: set[ComponentId] = set()
        for identifier, item in zip(fields.get(key, ()), place.items(), strict=False):
            if identifier in seen:
                item.problem("name each component once")
            seen.add(identifier)


_PIPELINE: Final = Section(
    Pipeline,
    {
        "receivers": Key(
            kinds.list_of(component_id, least=1, wanted="use a list of at least one receiver"),
            required="give at least one receiver",
        ),
        "processors": Key(kinds.list_of(component_id, wanted="use a list of processors")),
        "exporters": Key(
            kinds.list_of(component_id, least=1, wanted="use a list of at least one exporter"),
            required="give at least one exporter",
        ),
    },
    _once,
)


def read_pipelines(place: Place) -> dict[PipelineId, Pipeline]:
    """Read `service::pipelines`, without a look at what they name.

    Raises:
        Refused: There is no pipeline, or one of them is wrong.
    """
    pipelines: dict[PipelineId, Pipeline] = {}
    entries = place.entries()
    if not entries:
        place.refuse("give at least one pipeline", value=False)
    for inner in entries.values():
        try:
            identifier = pipeline_key(inner)
            pipelines[identifier] = _PIPELINE(inner)
        except Refused:
            continue
    if len(pipelines) < len(entries):
        raise Refused
    return pipelines


def check_pipelines(place: Place | None, defined: Defined) -> None:
    """Record what is wrong between pipelines and components; what is merely unused is a warning."""
    uses = list(_uses(place)) if place is not None else []
    for use in uses:
        _check_use(use, defined)
    _check_connectors(uses, defined)
    used = {(section, use.component) for use in uses for section in (use.role, "connectors")}
    for section in ("receivers", "processors", "connectors", "exporters"):
        for identifier, component in defined[section].items():
            if (section, identifier) not in used:
                component.place.warn("no pipeline names it, so it does nothing")
    for identifier, connector in defined["connectors"].items():
        for section in ("receivers", "exporters"):
            if identifier in defined[section]:
                connector.place.problem(f"one of the {section} already has this id; rename one of the two", value=False)


def check_extensions(
    references: list[tuple[Place, Any, str]], enabled: Mapping[ComponentId, Place], defined: Defined
) -> None:
    """Record where an extension is named that is not defined, of another type, or not switched on."""
    extensions = defined["extensions"]
    for identifier, place in enabled.items():
        if identifier not in extensions:
            place.problem(f"no extension has this id{suggest(str(identifier), map(str, extensions))}")
    for place, identifier, kind in references:
        if identifier not in extensions:
            place.problem(f"no extension has this id{suggest(str(identifier), map(str, extensions))}")
        elif identifier.type != kind:
            place.problem(f"name an extension of type {kind}")
        elif identifier not in enabled:
            place.problem("it is defined but not enabled; add it to service::extensions")
    named = {identifier for _, identifier, _ in references} | enabled.keys()
    for identifier, component in extensions.items():
        if identifier not in named:
            component.place.warn("it is not in service::extensions, so it does nothing")


def _uses(place: Place) -> Iterator[_Use]:
    """Go through all that pipelines name, also in those that are otherwise wrong."""
    quiet = replace(place, report=Report())
    pipelines: dict[str, Place] = attempt(Place.entries, quiet, {})
    for pipeline in pipelines.values():
        try:
            identifier = pipeline_key(pipeline)
            roles = pipeline.entries()
        except Refused:
            continue
        for role in _ROLES:
            for item, component in read_quietly(roles[role], component_id) if role in roles else ():
                yield _Use(identifier, role, component, replace(item, report=place.report))


def _check_use(use: _Use, defined: Defined) -> None:
    component = defined[use.role].get(use.component)
    connector = defined["connectors"].get(use.component) if use.role != "processors" else None
    found = component or connector
    if found is None:
        _missing(use, defined)
        return
    if found.type is None:
        return
    signals = found.type.gives if connector is not None and use.role == "receivers" else found.type.takes
    if use.pipeline.signal not in signals:
        verb = "gives" if connector is not None and use.role == "receivers" else "takes"
        use.place.problem(f"{use.component.type} {verb} {' and '.join(signals)}, not {use.pipeline.signal}")
    settings = found.settings
    if isinstance(settings, OtlpHttp) and not (
        settings.endpoint or getattr(settings, f"{use.pipeline.signal}_endpoint")
    ):
        use.place.problem(f"give it an endpoint or {use.pipeline.signal}_endpoint")


def _missing(use: _Use, defined: Defined) -> None:
    known = [str(identifier) for section in (use.role, "connectors") for identifier in defined[section]]
    elsewhere = next((section for section in COMPONENTS if use.component in defined[section]), None)
    hint = f"; {use.component} is one of the {elsewhere}" if elsewhere else suggest(str(use.component), known)
    use.place.problem(f"no {_ROLES[use.role]} has this id{hint}")


def _check_connectors(uses: list[_Use], defined: Defined) -> None:
    """Record connectors that only one side of is connected."""
    sides: dict[ComponentId, dict[str, _Use]] = defaultdict(dict)
    for use in uses:
        if use.component in defined["connectors"] and use.role in ("receivers", "exporters"):
            sides[use.component].setdefault(use.role, use)
    for by_role in sides.values():
        if "receivers" not in by_role:
            by_role["exporters"].place.problem("name this connector as a receiver of another pipeline too")
        if "exporters" not in by_role:
            by_role["receivers"].place.problem("name this connector as an exporter of another pipeline too")
