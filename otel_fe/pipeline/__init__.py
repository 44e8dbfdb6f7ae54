"""From spans and figures to metrics and decisions: pure, without I/O or threads of its own."""
