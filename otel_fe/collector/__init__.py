"""OTLP in, decisions, OTLP out: `otel-fe collector`.

serving, logging_setup   signals, and the messages at start and stop; the command itself is in cli/collector.py
collector, sidecar       everything at work in one process, and what runs beside it; workers/: in several
config_file, reload      the configuration, and what a reload takes over
listening, servers/      receivers; admin_server: the page of the collector itself
graph/                   pipelines: what happens to what is received
exporting, exporters/    where it goes
wakeup_timer             when something is due
pending                  undecided traces, which outlive the process
store_sink, stored, summing_up   the store, where there is one
slo_watch, capacity_watch, budget_ends   alerts from the store
process_memory           the memory of the process
accounts, own_metrics, explaining, stored_decisions, why   metrics and decision records of its own
"""
