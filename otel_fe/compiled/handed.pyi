from otel_fe.compiled.batches import Batch

SOURCES: str

def hand_over(batch: Batch, worker: int, workers: int) -> tuple[bytes, int]: ...
