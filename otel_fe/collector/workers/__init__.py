"""Several processes that do the work of one: `--workers N`.

    supervisor   starts them, starts dead ones again, passes on signals, answers for all of them
    worker       one of them; commands come on its stdin, answers go to its stdout
    hand_over    spans to the worker that decides their trace, over Unix sockets
    frames       their framing in the stream

All listen on the same ports (SO_REUSEPORT), so that the kernel spreads connections. Which worker decides a trace follows from its
id alone; the one that receives a span hands it over, if it is another's.
"""
