"""The sending settings that all exporters of the Collector share: queue, batches, retries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from otel_fe.config import kinds
from otel_fe.config.identifiers import extension
from otel_fe.config.reading import Fields, Key, Section, Unsupported
from otel_fe.units import NS_PER_S

if TYPE_CHECKING:
    from otel_fe.config.identifiers import ComponentId


@dataclass(frozen=True, slots=True)
class QueueBatch:
    """Joins what waits in a queue into larger requests."""

    flush_timeout_ns: int = 200_000_000
    sizer: str = "items"
    """Unit of the sizes: `items` or `bytes`."""
    min_size: int = 8_192
    max_size: int = 0
    """0 for no bound."""


@dataclass(frozen=True, slots=True)
class SendingQueue:
    """The queue of requests to be sent."""

    num_consumers: int = 10
    """Concurrent requests."""
    queue_size: int = 1_000
    sizer: str = "requests"
    """Unit of `queue_size`: `requests`, `items` or `bytes`."""
    block_on_overflow: bool = False
    """Make the pipeline wait for room, rather than refuse."""
    storage: ComponentId | None = None
    """The extension that keeps the queue on disk; None to keep it in memory."""
    batch: QueueBatch | None = None


@dataclass(frozen=True, slots=True)
class Retry:
    """When to try again after a failure that may pass."""

    initial_interval_ns: int = 5 * NS_PER_S
    randomization_factor: float = 0.5
    """0..1: an interval is drawn from this much around its nominal value."""
    multiplier: float = 1.5
    """From one interval to the next."""
    max_interval_ns: int = 30 * NS_PER_S
    max_elapsed_time_ns: int = 300 * NS_PER_S
    """After which the data is dropped; 0 for never."""


def _check_batch(fields: Fields) -> None:
    most = fields.get("max_size", 0)
    if 0 < most < fields.get("min_size", QueueBatch().min_size):
        fields.problem("max_size", "use at least min_size (8192 by default), or 0")


def _queue(**fields: Any) -> SendingQueue:
    batch = fields.pop("batch", None)
    queue = SendingQueue(**fields)
    # Where only the queue has a sizer, its batches use the same.
    if batch is not None and "sizer" not in batch and "sizer" in fields:
        batch["sizer"] = queue.sizer
    return queue if batch is None else SendingQueue(**fields, batch=QueueBatch(**batch))


def _check_queue(fields: Fields) -> None:
    batch = fields.get("batch")
    sizer = fields.get("sizer", "requests")
    if batch is None:
        return
    batch_sizer = batch.get("sizer", sizer if "sizer" in fields.values else "items")
    if batch_sizer == "requests":
        fields.problem("sizer", "batches count items or bytes; give one here or under batch::sizer")
    elif batch_sizer == sizer and batch.get("min_size", 8_192) > fields.get("queue_size", 1_000):
        fields.problem("queue_size", "use at least batch::min_size (8192 by default)")


def _check_retry(fields: Fields) -> None:
    elapsed = fields.get("max_elapsed_time_ns", Retry().max_elapsed_time_ns)
    for name in ("initial_interval", "max_interval"):
        if 0 < elapsed < fields.get(f"{name}_ns", getattr(Retry(), f"{name}_ns")):
            fields.problem("max_elapsed_time", f"use at least {name}, or 0 for no bound")


def check_durable(fields: Fields) -> None:
    """Warn where a queue on disk still drops payloads because its backend is unavailable for too long.

    As in the Collector: `max_elapsed_time` bounds how long each request is tried, wherever it waits.
    """
    queue, retry = fields.get("sending_queue"), fields.get("retry_on_failure", Retry())
    if queue is None or queue.storage is None:
        return
    if retry is None:
        after = "at its first failure, since retry_on_failure is switched off"
    elif retry.max_elapsed_time_ns:
        after = f"after {retry.max_elapsed_time_ns / NS_PER_S:g} s of failures"
    else:
        return
    place = fields.find("retry_on_failure", "max_elapsed_time") or fields.find("sending_queue", "storage")
    if place is not None:
        place.warn(
            f"the queue is on disk, but each request is still dropped {after}; to keep requests until the backend is back, set "
            "retry_on_failure::max_elapsed_time: 0"
        )


SENDING_QUEUE: Final = kinds.optional(
    Section(
        _queue,
        {
            "num_consumers": Key(kinds.integer(1)),
            "queue_size": Key(kinds.integer(1)),
            "sizer": Key(kinds.choice("requests", "items", "bytes")),
            "block_on_overflow": Key(kinds.boolean),
            "storage": Key(extension("file_storage")),
            "wait_for_result": Unsupported(),
            "batch": Key(
                kinds.optional(
                    Section(
                        dict[str, Any],
                        {
                            "flush_timeout": Key(kinds.duration(1), "flush_timeout_ns"),
                            "sizer": Key(kinds.choice("items", "bytes")),
                            "min_size": Key(kinds.integer()),
                            "max_size": Key(kinds.integer()),
                            "partition": Unsupported(),
                        },
                        _check_batch,
                    )
                ),
                null_is_empty=True,
            ),
        },
        _check_queue,
    )
)
"""`sending_queue`; None where it is switched off."""

RETRY: Final = kinds.optional(
    Section(
        Retry,
        {
            "initial_interval": Key(kinds.duration(), "initial_interval_ns"),
            "randomization_factor": Key(kinds.number(0, 1)),
            "multiplier": Key(kinds.number()),
            "max_interval": Key(kinds.duration(), "max_interval_ns"),
            "max_elapsed_time": Key(kinds.duration(), "max_elapsed_time_ns"),
        },
        _check_retry,
    )
)
"""`retry_on_failure`; None where it is switched off."""
