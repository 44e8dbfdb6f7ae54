"""The pipelines of the configuration, through which received data flows.

engine     takes requests, one lock around what is not thread-safe; ticks, and says when next
routes     which pipelines a receiver's signal goes to
sampled    traces -> tail_sampling -> outlets
plain      requests as bytes -> outlets
connected  the span_metrics connectors, and where their metrics go
derived    feature_extraction.* metrics of extractions that no earlier stage has counted
outlets    the exporters at the end of a pipeline; tally: what became of each payload
build      from a configuration to all of it
"""
