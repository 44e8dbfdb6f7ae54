"""The page Explore: the heat map, the selection in it, and why that is slower than the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_fe.dashboard.code_lines import selected_lines
from otel_fe.dashboard.comparison import compare, compare_attributes, restated_by
from otel_fe.dashboard.heatmap_svg import column_ns, draw
from otel_fe.dashboard.listed_traces import listed
from otel_fe.pipeline.causes import rank

if TYPE_CHECKING:
    from otel_fe.dashboard.comparison import AttributeCompared
    from otel_fe.dashboard.page_context import PageContext
    from otel_fe.dashboard.view_address import ViewAddress
    from otel_fe.store import Selection
    from otel_fe.store.drilldown import Drilldown
    from otel_fe.store.trace_totals import SelectionTotals

PATH: Final = "/explore"
PAGE_SIZE: Final = 50
_SAMPLE: Final = 200
_EXPLAINED: Final = 2_000


def explore(stored: PageContext, address: ViewAddress) -> dict[str, Any]:
    """Return the page's data.

    Raises:
        StoreError: The store cannot be read; `StoreMissingError` as long as nothing was stored.
    """
    window = stored.remembered.window(address.window(stored.now_ns()), relative=address.relative)
    axis = address.axis(window)
    background, selection = address.background(window), address.selection(window)
    reader, length = stored.reader, window[1] - window[0]
    heat = stored.remembered.get(
        ("heat", background), length, lambda: reader.totals.heat_map(background, column_ns(axis))
    )
    page = int(float(address.page or 0))
    order = address.order or "slowest"
    selects = address.selects
    everything = stored.remembered.get(("totals", background), length, lambda: reader.totals.totals(background))
    drilled = reader.drilldown(
        selection,
        order=order,
        limit=PAGE_SIZE + 1,
        offset=page * PAGE_SIZE,
        explained=_EXPLAINED,
        attributes=_SAMPLE if selects else 0,
    )
    selected = drilled.totals
    return {
        "window": window,
        "gap": stored.gap("traces"),
        "heat": draw(heat, axis, address, PATH),
        "found": listed(drilled.found[:PAGE_SIZE]),
        "more": len(drilled.found) > PAGE_SIZE,
        "page": page,
        "order": order,
        "everything": everything,
        "selected": selected,
        "compared": compare(selected, everything) if selects else None,
        "code": selected_lines(reader, selection, background if selects else None),
        "attributes": _attributes(stored, selection, background, drilled, everything),
        "what_if": rank(drilled.explained, hits=[one for one in drilled.explained if one.hit])
        if selected.extractions
        else None,
    }


def _attributes(
    stored: PageContext, selection: Selection, background: Selection, drilled: Drilldown, everything: SelectionTotals
) -> tuple[AttributeCompared, ...]:
    if drilled.attributes is None:
        return ()
    reader, length = stored.reader, background.until_ns - background.since_ns
    return compare_attributes(
        drilled.attributes,
        stored.remembered.get(
            ("attributes", background), length, lambda: reader.attribute_counts(background, limit=_SAMPLE)
        ),
        drilled.totals.weight / everything.weight if everything.weight else 1.0,
        restated_by(selection),
    )
