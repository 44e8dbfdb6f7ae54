"""The policies without policies in them, as `compiled` knows them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_fe.model.probability import NEVER
from otel_fe.model.vote import FAILED
from otel_fe.pipeline.policies.evaluator import SpanEvaluator
from otel_fe.pipeline.policies.leaf_word import WORD_BITS, LeafWord

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from otel_fe.model.span import SpanView
    from otel_fe.model.vote import Vote
    from otel_fe.pipeline.policies.evaluator import Evaluator

NOTHING: Final = ...
"""The vote of a leaf on a span that it does not apply to."""
_WORD: Final = (1 << WORD_BITS) - 1
_MOST_FAILURES: Final = 1_000


class Leaves:
    """The policies without policies in them, as C knows them.

    Args:
        policies: Of a sampler.
    """

    def __init__(self, policies: Iterable[Evaluator]) -> None:
        self.evaluators: list[Evaluator] = [leaf for policy in policies for leaf in policy.leaves]
        self.of_spans = [leaf for leaf in self.evaluators if isinstance(leaf, SpanEvaluator)]
        words = [LeafWord(0)]
        for leaf in self.evaluators:
            if not words[-1].has_room(leaf):
                words.append(LeafWord(len(words)))
            words[-1].evaluators.append(leaf)
        self.words = [word.packed() for word in words]
        """What `compiled.backend.Waiting` takes of each word of bits."""
        self.places = [place for word in words for place in word.bits]
        """For each leaf its bits."""
        self._failed = sum(1 << place.failed for place in self.places if place.failed >= 0)
        self._failures: list[str] = []

    @property
    def numbers(self) -> int:
        """The number of numbers that C has of a trace behind its bits: what leaves saw, and the further words of bits."""
        return len(self.of_spans) + len(self.words) - 1

    def bits(self, bits: int, numbers: Sequence[int]) -> int:
        """Return the bits of all words, given those of the first and the numbers behind them."""
        for place, more in enumerate(numbers[len(self.of_spans) :], 1):
            bits |= (more & _WORD) << place * WORD_BITS
        return bits

    def has_failed(self, bits: int, numbers: Sequence[int]) -> bool:
        """Return whether any leaf has failed."""
        return bool(self.bits(bits, numbers) & self._failed)

    def ask(self, number: int, span: SpanView) -> Any:
        """Return what a leaf saw of a span, as a number; ... if nothing; a tuple of a number if it failed."""
        leaf = self.evaluators[number]
        vote = leaf.match(span)  # type: ignore[attr-defined]
        if vote is None:
            return NOTHING
        if vote[0] == FAILED:
            return (self._failure(str(vote[2])),)
        return leaf.packed(vote[2])  # type: ignore[attr-defined]

    def _failure(self, text: str) -> int:
        if text in self._failures:
            return self._failures.index(text)
        if len(self._failures) >= _MOST_FAILURES:
            return -1
        self._failures.append(text)
        return len(self._failures) - 1

    def looked(self, bits: int, numbers: Sequence[int]) -> dict[object, tuple[int, Vote | None]]:
        """Return what leaves have found in spans, for `BufferedTrace.looked`."""
        found: dict[object, tuple[int, Vote | None]] = {}
        seen, bits = iter(numbers), self.bits(bits, numbers)
        for leaf, (matched, failed) in zip(self.evaluators, self.places, strict=True):
            if not isinstance(leaf, SpanEvaluator):
                continue
            what = next(seen)
            if failed >= 0 and bits >> failed & 1:
                reason = self._failures[what] if what >= 0 else "one of too many different errors"
                found[leaf] = 0, (FAILED, NEVER, reason)
            elif bits >> matched & 1:
                found[leaf] = 0, leaf.unpacked(what)
        return found
