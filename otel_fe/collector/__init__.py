"""OTLP in, decisions, OTLP out: `otel-fe collector`.

serving, logging_setup   signals, and the messages at start and stop; the command's arguments are in cli/collector.py
collector, sidecar       all parts of one process, and the dashboard's process; workers/: several processes
config_file, reload      the configuration, and the transfer of state to a new one
listening, servers/      receivers; admin_server: health and the admin endpoint
graph/                   pipelines
exporting, exporters/    exporters and their queues
wakeup_timer             when the next tick is due
pending                  undecided traces, saved at a stop
store_sink, stored       writing to the store;  summing_up: the lines at start and stop
slo_watch, capacity_watch, budget_ends   alerts from the store
process_memory           the memory of the process
accounts, own_metrics, explaining, stored_decisions, why   its own metrics, and decision records
"""
