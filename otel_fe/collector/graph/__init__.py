"""The pipelines of the configuration, through which received data flows.

graph            takes requests and runs the schedule, with one lock around all that is not thread-safe
parts            the pipelines of a configuration, and the routes of each receiver's signals through them
sampled          traces -> tail_sampling -> fanout
passthrough      requests as bytes -> fanout
connected        the span_metrics connectors, and the pipelines of their metrics
derived          feature_extraction.* metrics of extractions that no earlier stage has counted
batcher, memory  the `batch` and `memory_limiter` processors
fanout           the exporters at the end of a pipeline; payload_outcome: the outcome of each payload
build            makes all of these from a configuration
"""
