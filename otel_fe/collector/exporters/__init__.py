"""The collector's exporters: OTLP out, with retries and, if configured, queues on disk.

    payload     what is offered, and the reasons for which it can be lost
    exporter    the interface of every exporter: `offer`, `flush`, `shutdown`; its counts
    build       makes an exporter from its configuration
    queued      for each signal, queue_consumers:  payload_queue (+ storage) -> batches -> delivery -> transport
    immediate   without a queue: nop, and debug
    otlp_grpc, otlp_http, debug    the transports, each imported only if configured

Every offered payload is settled exactly once: as sent (an empty reason), as lost for a named reason, or as `stored`: it
is on disk for the next start.
"""
