"""The samples of one slow extraction: one segment of time for each look."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from otel_fe.instrument.stack_lines import without_detail

if TYPE_CHECKING:
    from otel_fe.instrument.stack_lines import Line, Stack
    from otel_fe.instrument.watch.thread_counters import ThreadCounters

MOST_SEGMENTS: Final = 600
"""Reached after hours: looks become rarer with the age of an extraction."""
MOST_STACKS: Final = 64
"""Distinct stacks; of further ones only the innermost own line is kept."""

HELD: Final = "held"
"""In place of a cause: the coroutine is suspended while something else holds its event loop. The next step shows whether it waited
for the loop: it did if it continues at once, and otherwise waited for what it awaits."""


class Segment:
    """The time between two looks; the first segment begins with the extraction."""

    __slots__ = (
        "blame",
        "blocks",
        "child_cpu_ns",
        "child_ident",
        "collected_in",
        "contended",
        "core_wait_ns",
        "cpu_ns",
        "end_ns",
        "faults",
        "looks",
        "on_gpu",
        "others_cpu_ns",
        "others_wait_ns",
        "stack",
        "start_ns",
        "throttled_ns",
        "wait",
    )

    blame: Line | None
    """The line of another thread, or task, that held the interpreter, or the event loop."""
    core_wait_ns: int
    """Time in which the thread was ready to run, and did not."""
    throttled_ns: int
    """Time in which the control group's quota stopped processes of it."""
    blocks: int
    """Blocks that the process has read from disk, or written, in it."""
    child_cpu_ns: int
    """CPU time of a thread that worked for the extraction, while that waited for it."""
    child_ident: int
    """Python's id of that thread; 0 without one. The stack and all waits are then that thread's."""
    collected_in: Stack
    """The line in which its longest pause of the garbage collector began, if it was seen."""
    contended: bool
    """Whether the watcher had to wait for the GIL before the look, as any thread that wakes up then does."""
    faults: int
    """Pages that the process has read from disk because they were touched."""
    looks: int
    """The number of consecutive looks with this stack, without CPU time in between."""
    on_gpu: bool
    """Whether the look found it in a call that waits for a GPU."""
    others_cpu_ns: int
    """CPU time of other threads of Python in this process."""
    others_wait_ns: int
    """Time in which these threads waited for a core, perhaps while holding the interpreter."""

    def __init__(self, start_ns: int, end_ns: int, cpu_ns: int, wait: str, stack: Stack) -> None:
        self.start_ns = start_ns
        self.end_ns = end_ns
        self.cpu_ns = cpu_ns
        """CPU time of the extraction's thread in this segment."""
        self.wait = wait
        """The cause of the wait that the look found; empty if the thread did not wait."""
        self.stack = stack
        self.blame = None
        self.collected_in = ()
        self.contended = self.on_gpu = False
        self.blocks = self.faults = self.child_cpu_ns = self.child_ident = 0
        self.looks = 1
        self.core_wait_ns = self.throttled_ns = self.others_cpu_ns = self.others_wait_ns = 0

    @property
    def off_ns(self) -> int:
        """Time in which neither the thread nor the one that worked for it ran."""
        return self.end_ns - self.start_ns - self.cpu_ns - self.child_cpu_ns


class Watched:
    """The segments of one extraction, in order. Written by the watcher; read by the extraction's own thread once it has ended."""

    __slots__ = (
        *(
            "_held",
            "_stacks",
            "child_clocks",
            "peak_bytes",
            "clock_ns",
            "counters",
            "cpu_ns",
            "next_ns",
            "seen_ns",
            "segments",
            "step",
        ),
        *("tid", "waits"),
    )

    def __init__(self, start_ns: int, cpu_ns: int = 0) -> None:
        self.segments: list[Segment] = []
        self.seen_ns = start_ns
        """Time up to which the extraction has been watched."""
        self.cpu_ns = cpu_ns
        """CPU time at that moment."""
        self.clock_ns = 0
        """CPU clock of its thread at that moment."""
        self.waits = False
        """Whether its thread was seen waiting, by the last look."""
        self.next_ns = 0
        """Time of the next look."""
        self.step: Any = None
        """Distinguishes one step of a coroutine from the next."""
        self.tid = 0
        self.peak_bytes = 0
        """The most resident memory of the process at a look."""
        self.counters: ThreadCounters | None = None
        """Counters of the last look."""
        self.child_clocks: dict[int, int] = {}
        """CPU clocks of the threads that work for it, at the last look."""
        self._stacks: dict[Stack, Stack] = {}
        self._held: list[tuple[Segment, str]] = []

    def add(self, segment: Segment) -> None:
        """Add the segment that a look has found."""
        stack = self._stacks.get(segment.stack)
        if stack is None:
            if len(self._stacks) < MOST_STACKS:
                stack = self._stacks[segment.stack] = segment.stack
            else:
                short = without_detail(segment.stack)
                stack = self._stacks.setdefault(short, short) if len(self._stacks) < 2 * MOST_STACKS else short
        segment.stack = stack
        self.seen_ns = segment.end_ns
        self.cpu_ns += segment.cpu_ns
        self.segments.append(segment)

    def extend(self, now_ns: int) -> None:
        """Extend the last segment: nothing has changed since."""
        self.segments[-1].end_ns = self.seen_ns = now_ns
        self.segments[-1].looks += 1

    def hold(self, segment: Segment, otherwise: str) -> None:
        """Add a segment in which something else held the event loop; `otherwise` is its cause if that did not matter."""
        self._held.append((segment, otherwise))

    def settle_held(self, cause: str | None) -> None:
        """Decide on the segments in which the loop was held: they get this cause, or each its own if it is None."""
        held, self._held = self._held, []
        for segment, otherwise in held:
            segment.wait = otherwise if cause is None else cause
