"""OTLP in, decisions, OTLP out: `otel-fe collector`.

command, serving    the command; signals, and what it says when it starts and stops
collector           everything at work in one process; workers/: in several
listening, servers/ receivers and pages
pipelines/          what happens to what they take; inheriting: what a reload takes over
exporting, exporters/  where it goes
wire/               spans as the bytes that they came as
pending, keeping    what outlives the process: undecided traces, and the store
accounts, own_metrics, explaining, why   what it says of itself
"""
