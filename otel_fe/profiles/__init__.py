"""Stacks of slow extractions, added up: as flame graphs, collapsed text, pprof and OTLP profiles. Pure functions.

stacks.py         the lines of a `feature_extraction.stacks` event -> stacks
repeated_calls.py calls of an extraction -> those that are an N+1
hotspots.py       stacks of many extractions -> the application's lines that took most
flame_graph.py    stacks -> the rectangles of a flame graph, also of a selection against the rest
collapsed.py      -> collapsed text (flamegraph.pl, speedscope)
pprof.py          -> a gzipped `profile.proto` (go tool pprof, Pyroscope, Grafana)
otlp_profiles.py  -> `opentelemetry.proto.profiles.v1development`, with links to traces and spans
"""
