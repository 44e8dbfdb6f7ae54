"""The drilldown: the heat map, what is selected in it, and why that is slower than the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_fe.dashboard.comparison import compare, compare_attributes
from otel_fe.dashboard.heat_drawing import column_ns, draw
from otel_fe.pipeline.causes import rank

if TYPE_CHECKING:
    from otel_fe.dashboard.stored import Stored
    from otel_fe.dashboard.view_address import ViewAddress
    from otel_fe.store.trace_totals import Totals

PATH: Final = "/explore"
PAGE_SIZE: Final = 50
_SAMPLE: Final = 300
_EXPLAINED: Final = 5_000


def explore(stored: Stored, address: ViewAddress) -> dict[str, Any]:
    """Return what the page shows.

    Raises:
        StoreError: The store cannot be read; `StoreMissingError` as long as nothing was stored.
    """
    now = stored.now_ns()
    window = address.window(now)
    background, selection = address.background(now), address.selection(now)
    reader = stored.reader
    heat = reader.totals.heat_map(background, column_ns(window))
    page = int(float(address.page or 0))
    order = address.order or "slowest"
    found = reader.traces.find(selection, order=order, limit=PAGE_SIZE + 1, offset=page * PAGE_SIZE)
    everything = reader.totals.totals(background)
    selected = reader.totals.totals(selection) if address.selects else everything
    return {
        "window": window,
        "heat": draw(heat, window, address, PATH),
        "found": [
            {"trace_id": f"{one.trace_id:032x}", "policy": one.policy, "weight": one.weight, "extraction": one.extraction}
            for one in found[:PAGE_SIZE]
        ],
        "more": len(found) > PAGE_SIZE,
        "page": page,
        "order": order,
        "everything": everything,
        "selected": selected,
        "compared": compare(selected, everything) if address.selects else None,
        "attributes": _attributes(stored, address, selected) if address.selects else (),
        "what_if": rank(reader.totals.explained(selection, limit=_EXPLAINED)) if selected.extractions else None,
    }


def _attributes(stored: Stored, address: ViewAddress, selected: Totals) -> Any:
    if not selected.extractions:
        return ()
    now, reader = stored.now_ns(), stored.reader
    return compare_attributes(
        reader.attribute_counts(address.selection(now), limit=_SAMPLE),
        reader.attribute_counts(address.background(now), limit=_SAMPLE),
    )
