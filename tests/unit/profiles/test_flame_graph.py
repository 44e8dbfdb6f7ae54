"""Rectangles of a flame graph: they nest, and their widths are times."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from otel_fe.profiles.flame_graph import flame_graph
from tests.unit.profiles.parts import slow

FRAMES = st.sampled_from(["a.py:1 f", "a.py:2 f", "b.py:3 g", "c.py:4 h"])
LINES = st.builds(
    lambda cause, frames, us: f"{';'.join((cause, *frames))} {us}",
    st.sampled_from(["cpu", "lock"]),
    st.lists(FRAMES, min_size=1, max_size=4),
    st.integers(1, 10**6),
)
EXTRACTIONS = st.lists(
    st.builds(
        lambda lines, weight: slow(lines, weight=weight), st.lists(LINES, max_size=4), st.sampled_from([1.0, 20.0])
    ),
    max_size=4,
)


def test_causes_are_at_the_bottom_and_widths_are_shares_of_the_time():
    graph = flame_graph([slow(["cpu;a.py:1 f;a.py:2 g 30000", "cpu;a.py:1 f 10000", "lock;a.py:9 wait 40000"])])
    assert [(box.label, box.depth, box.x, box.width) for box in graph.boxes if box.depth < 2] == [
        ("cpu", 0, 0.0, 50.0),
        ("lock", 0, 50.0, 50.0),
        ("a.py:9 wait", 1, 50.0, 50.0),
        ("a.py:1 f", 1, 0.0, 50.0),
    ]
    (inner,) = (box for box in graph.boxes if box.depth == 2)
    assert (inner.label, inner.cause, inner.width, inner.mean_ns) == ("a.py:2 g", "cpu", 37.5, 30_000_000)
    assert (graph.total_ns, graph.depth, graph.extractions) == (80_000_000, 3, 1)


def test_rest_is_compared_in_the_mean_of_each_side():
    graph = flame_graph(
        [slow(["cpu;a.py:1 f 30000"]), slow(["cpu;a.py:1 f 10000"], weight=3.0)],
        [slow(["cpu;a.py:1 f 4000", "lock;a.py:2 g 1000"]), slow([])],
    )
    assert [(box.label, box.mean_ns, box.rest_mean_ns) for box in graph.boxes] == [
        ("cpu", 15_000_000, 2_000_000),
        ("a.py:1 f", 15_000_000, 2_000_000),
    ]


def test_slivers_are_left_out():
    graph = flame_graph([slow(["cpu;a.py:1 f 1000000", "lock;a.py:2 g 1"])])
    assert [box.label for box in graph.boxes] == ["cpu", "a.py:1 f"]


def test_no_stack_is_no_graph():
    assert flame_graph([]) is None
    assert flame_graph([slow([])]) is None


@given(EXTRACTIONS)
def test_boxes_lie_within_their_parents_and_beside_their_siblings(extractions):
    graph = flame_graph(extractions)
    rows: dict[int, list[tuple[float, float]]] = {}
    for box in graph.boxes if graph else ():
        rows.setdefault(box.depth, []).append((box.x, box.x + box.width))
    for depth, row in rows.items():
        row.sort()
        assert row[0][0] >= 0
        assert row[-1][1] <= 100.01
        assert all(before[1] <= after[0] + 0.01 for before, after in zip(row, row[1:], strict=False))
        if depth:
            above = rows[depth - 1]
            assert all(any(x0 <= x + 0.01 and end <= x1 + 0.01 for x0, x1 in above) for x, end in row)
