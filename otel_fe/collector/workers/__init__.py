"""Several worker processes of one collector: `--workers N`.

    supervisor      starts workers, restarts dead ones, passes on signals, answers for all of them
    child_process   the supervisor's side of one worker;  worker: the process itself, commands on its stdin
    span_router     sends spans to the worker that decides their trace
    peer_sender, peer_receiver    over Unix sockets;  frames: the framing in the stream
    shared_store    the store, in the supervisor's process;  remote_store: the same, seen by a worker

All listen on the same ports (SO_REUSEPORT), so that the kernel spreads connections. A trace's id determines the worker
that decides it; a worker that receives spans of another's trace sends them there.
"""
