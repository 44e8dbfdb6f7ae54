"""OTLP out: what leaves the collector, tried again while it may pass, and kept on disk where that is asked for.

    payload     what is offered, and the reasons for which it can be lost
    exporter    what every exporter does: `offer`, `flush`, `shutdown`; its counts
    build       from a configuration to an exporter
    queued      a lane for each signal:  backlog (+ storage) -> batches -> delivery -> transport
    immediate   without a queue: nop, and debug
    otlp_grpc, otlp_http, debug    the transports: imported by those who have one

Every payload that is offered is settled exactly once: as sent (an empty reason), as lost for a named reason, or as `stored`,
which means that it lies on disk for the next start.
"""
