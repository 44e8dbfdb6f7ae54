"""OTLP in, decisions, OTLP out: `otel-fe collector`.

command, serving    the command; signals, and what it says when it starts and stops
collector           everything at work in one process; workers/: in several
listening, servers/ receivers and pages
pipelines/          what happens to what they take; inheriting: what a reload takes over
exporting, exporters/  where it goes
wire/               spans as the bytes that they came as
alarm               when to look what is due
pending             undecided traces, which outlive the process
stored, keeping     the store, where there is one
process_memory, put_off, garbage  what the process takes, and gives back
accounts, own_metrics, explaining, stored_decisions, why   what it says of itself
"""
