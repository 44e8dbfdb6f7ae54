"""The settings of the `tail_sampling` processor itself: caches, bounds, waits, shutdown."""

from __future__ import annotations

from tests.corpus.case import LATER, Case, sampling
from tests.corpus.spans import ERROR, span, tree
from tests.corpus.wire import resource_spans_size

_ALL = "{name: all, type: always_sample}"
_FAILED = "{name: error, type: status_code, status_code: {status_codes: [ERROR]}}"
_HEALTH = "{name: health, type: drop, drop: {drop_sub_policy: [{name: h, type: string_attribute, string_attribute: {key: path, values: [/health]}}]}}"
_CACHES = "decision_cache: {sampled_cache_size: 100, non_sampled_cache_size: 100}"
_CACHE_OF_ONE = "decision_cache: {sampled_cache_size: 1, non_sampled_cache_size: 1}"
_LONG = "decision_wait: 30s"


def _with(settings: str, *policies: str) -> str:
    return sampling(*(policies or (_ALL,)), settings=settings)


_failed, _child = span(status=ERROR), span(2, 1, 1)
_tree = tree(3)
_size = resource_spans_size(_tree)

CASES = [
    Case("late_span_of_a_cached_sampled_trace", [[_failed], LATER, [_child]], _with(_CACHES, _FAILED)),
    Case(
        "late_span_of_a_cached_trace_that_was_not_sampled",
        [[span()], LATER, [span(2, 1, 1, status=ERROR)]],
        _with(_CACHES, _FAILED),
    ),
    Case(
        "late_span_of_a_cached_dropped_trace", [[span(path="/health")], LATER, [_child]], _with(_CACHES, _HEALTH, _ALL)
    ),
    Case("late_span_of_a_dropped_trace", [[span(path="/health")], LATER, [_child]], _with("", _HEALTH, _ALL)),
    Case(
        "late_span_of_a_trace_that_the_cache_forgot",
        [[_failed], LATER, [span(1, 2, status=ERROR)], LATER, [_child]],
        _with(_CACHE_OF_ONE, _FAILED),
    ),
    Case(
        "only_sampled_ones_cached",
        [[_failed, span(1, 2)], LATER, [_child, span(2, 2, 1, status=ERROR)]],
        _with("decision_cache: {sampled_cache_size: 10}", _FAILED),
    ),
    Case("as_many_traces_as_num_traces", [[span(1, 1)], [span(1, 2)]], _with("num_traces: 2")),
    Case(
        "one_trace_more_than_num_traces",
        [[span(1, 1)], [span(1, 2)]],
        _with("num_traces: 1"),
    ),
    Case(
        "overflow_blocks_until_there_is_room",
        [[span(1, 1)], [span(1, 2)]],
        _with(f"num_traces: 1\nblock_on_overflow: true\n{_CACHES}"),
    ),
    Case("size_exactly_the_maximum", [_tree], _with(f"maximum_trace_size_bytes: {_size}")),
    Case("size_one_byte_over_the_maximum", [_tree], _with(f"maximum_trace_size_bytes: {_size - 1}")),
    Case("size_maximum_of_zero_is_none", [_tree], _with("maximum_trace_size_bytes: 0")),
    Case(
        "size_over_the_maximum_by_the_second_batch", [_tree, _tree], _with(f"maximum_trace_size_bytes: {_size * 2 - 1}")
    ),
    Case("size_exactly_the_maximum_over_two_batches", [_tree, _tree], _with(f"maximum_trace_size_bytes: {_size * 2}")),
    Case(
        "size_over_the_maximum_and_a_late_span",
        [_tree, LATER, [span(9, 1, 1)]],
        _with(f"maximum_trace_size_bytes: {_size - 1}"),
    ),
    Case(
        "size_over_the_maximum_and_a_small_trace_beside_it",
        [[*_tree, span(1, 2)]],
        _with(f"maximum_trace_size_bytes: {_size - 1}"),
    ),
    Case(
        "size_of_late_spans_does_not_matter",
        [_tree, LATER, [span(9, 1, 1, blob="x" * 1_000)]],
        _with(f"maximum_trace_size_bytes: {_size}"),
    ),
    Case("pending_at_shutdown_is_decided", [[_failed, span(1, 2)]], _with(_LONG, _FAILED)),
    Case(
        "pending_at_shutdown_is_dropped_if_asked",
        [[_failed]],
        _with(f"{_LONG}\ndrop_pending_traces_on_shutdown: true", _FAILED),
    ),
    Case(
        "root_received_shortens_the_wait",
        [[_child, span()], LATER, [span(3, 1, 1, status=ERROR)]],
        _with(f"{_LONG}\ndecision_wait_after_root_received: 1s", _FAILED),
    ),
    Case(
        "no_root_does_not_shorten_the_wait",
        [[_child], LATER, [span(3, 1, 1, status=ERROR)]],
        _with(f"{_LONG}\ndecision_wait_after_root_received: 1s", _FAILED),
    ),
    Case(
        "root_received_in_a_later_batch_shortens_the_wait",
        [[_child], LATER, [span()], LATER, [span(3, 1, 1, status=ERROR)]],
        _with(f"{_LONG}\ndecision_wait_after_root_received: 1s", _FAILED),
    ),
    Case(
        "a_longer_wait_for_the_root_changes_nothing",
        [[span()], LATER, [span(3, 1, 1, status=ERROR)]],
        _with("decision_wait: 1s\ndecision_wait_after_root_received: 30s", _FAILED),
    ),
    Case("within_a_long_wait_late_is_not_late", [[_child], LATER, [_failed]], _with(_LONG, _FAILED)),
    Case("expected_new_traces_is_a_hint", [[span(1, 1)], [span(1, 2)]], _with("expected_new_traces_per_sec: 1")),
]
