"""The HTTP server against slow clients: each stage has a deadline, and a slow connection is closed for a new one."""

from __future__ import annotations

import contextlib
import resource
import socket
import ssl
import threading
import time

import pytest

from otel_fe.collector.refusals import TooManyValuesError
from otel_fe.collector.servers.connections import Connections, Phase
from otel_fe.collector.servers.daemon_pool import DaemonPool
from otel_fe.collector.servers.endpoints import Endpoint
from otel_fe.collector.servers.held_bytes import HeldBytes, most_held_bytes
from otel_fe.collector.servers.http_limits import HttpLimits
from otel_fe.collector.servers.http_messages import Response, Terms
from otel_fe.collector.servers.http_server import HttpServer
from otel_fe.collector.servers.json_bounds import check_values
from otel_fe.collector.servers.loop import Loop
from otel_fe.collector.servers.open_files import most_connections

LARGEST = 1 << 20
HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n"


class Served:
    """A server that answers with the length of a body."""

    def __init__(self, limits=None, tls=None, answer=b""):
        self.loop = Loop()
        self.cut = 0
        self.seen = []
        self.body = answer
        self.server = HttpServer(self.loop, self.look, self.answer, limits, tls, self.note)
        self.server.listen(Endpoint("127.0.0.1", 0))

    def look(self, request):
        if request.headers.get("authorization") == "wrong":
            return Response(401, b"no\n")
        return Terms(LARGEST, Response(413))

    async def answer(self, request):
        self.seen.append(request)
        return Response(200, self.body or str(len(request.body)).encode())

    def note(self):
        self.cut += 1

    def connect(self):
        client = socket.create_connection(("127.0.0.1", self.server.port))
        client.settimeout(10)
        return client


@contextlib.contextmanager
def served(**more):
    found = Served(**more)
    try:
        yield found
    finally:
        found.server.stop(0.1)
        found.loop.close()


def status_of(client, sent):
    """Send; return the status of the answer, 0 where the connection ended."""
    try:
        client.sendall(sent)
        got = client.recv(65536)
    except ConnectionError:
        return 0
    return int(got.split()[1]) if got else 0


def gone(client, timeout_s=5.0):
    """Return whether the server ends a connection."""
    client.settimeout(timeout_s)
    try:
        while client.recv(65536):
            pass
    except TimeoutError:
        return False
    except ConnectionError:
        pass
    return True


def request(body=b"", more=b""):
    return HEAD + more + f"Content-Length: {len(body)}\r\n\r\n".encode() + body


@pytest.mark.parametrize("start", [b"", b"P", HEAD, HEAD + b"X: " + b"a" * 10_000])
def test_a_head_has_a_deadline_from_the_connection_s_begin(start):
    """A byte now and then does not extend it."""
    with served(limits=HttpLimits(header_s=0.4, read_s=60)) as server, server.connect() as client:
        client.sendall(start)
        with pytest.raises(ConnectionError):
            while True:
                time.sleep(0.05)
                client.sendall(b"a")


@pytest.mark.thorough
def test_a_second_head_has_a_deadline_too():
    with served(limits=HttpLimits(header_s=0.4, idle_s=60)) as server, server.connect() as client:
        assert status_of(client, request()) == 200
        time.sleep(0.6)  # between requests, the deadline is `idle_s`
        assert status_of(client, request(b"ab")) == 200
        client.sendall(b"POST ")
        assert gone(client)


def test_a_body_has_a_deadline_for_the_whole():
    with served(limits=HttpLimits(header_s=60, read_s=0.4)) as server, server.connect() as client:
        client.sendall(HEAD + b"Content-Length: 1000\r\n\r\n")
        with pytest.raises(ConnectionError):
            while True:
                time.sleep(0.05)
                client.sendall(b"a")


def test_a_response_has_a_deadline_for_the_whole():
    """A client that reads a little now and then is cut off, and what was not sent takes no room."""

    def released():
        client.recv(1000)
        return server.seen and server.loop.held.total == 0

    with served(limits=HttpLimits(write_s=0.5), answer=bytes(64 << 20)) as server, server.connect() as client:
        client.sendall(request())
        wait_for(lambda: server.loop.held.total == 64 << 20)
        wait_for(released)


def wait_for(true, timeout_s=10.0):
    deadline_s = time.monotonic() + timeout_s
    while not true():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def test_half_heads_give_way_to_a_new_connection():
    """A thousand of them lock no client out; one that has completed a request before stays."""
    with served(limits=HttpLimits(most_connections=10)) as server, contextlib.ExitStack() as stack:
        proven = stack.enter_context(server.connect())
        assert status_of(proven, request()) == 200
        halves = [stack.enter_context(server.connect()) for _ in range(30)]
        for client in halves:
            with contextlib.suppress(ConnectionError):
                client.sendall(HEAD)
        new = stack.enter_context(server.connect())
        assert status_of(new, request()) == 200
        assert status_of(proven, request()) == 200
        assert server.cut == 22
        assert gone(halves[0])


def test_handshakes_take_a_place_and_have_a_deadline(tmp_path):
    """Connections that never begin TLS count towards the limit and are closed for new ones; asyncio alone would hold any number."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with served(limits=HttpLimits(most_connections=5, handshake_s=0.4), tls=context) as server:
        clients = [server.connect() for _ in range(8)]
        wait_for(lambda: server.cut == 3)
        assert all(gone(client) for client in clients)
        for client in clients:
            client.close()


def test_unfinished_bodies_share_a_bound_and_the_oldest_gives_way():
    with served() as server, contextlib.ExitStack() as stack:
        server.loop.held.most_bytes = 3_000_000
        clients = [stack.enter_context(server.connect()) for _ in range(6)]
        for client in clients:
            client.sendall(HEAD + b"Content-Length: 1000000\r\n\r\n" + bytes(900_000))
            time.sleep(0.05)  # one is older than the next
        wait_for(lambda: server.loop.held.evicted == 3)
        assert server.loop.held.total <= 3_000_000
        assert gone(clients[0])
        assert status_of(clients[5], bytes(100_000)) == 200
        assert status_of(stack.enter_context(server.connect()), request(b"abc")) == 200


def test_one_body_larger_than_the_bound_is_told_to_come_again():
    with served() as server, server.connect() as client:
        server.loop.held.most_bytes = 100_000
        assert status_of(client, HEAD + b"Content-Length: 900000\r\n\r\n" + bytes(500_000)) == 503
        wait_for(lambda: server.loop.held.total == 0)


def test_nothing_of_a_body_is_read_before_its_sender_is_known():
    with served() as server, server.connect() as client:
        assert status_of(client, HEAD + b"Authorization: wrong\r\nContent-Length: 1000000\r\n\r\n") == 401
        assert not server.seen


def test_a_get_with_a_body_is_one_request():
    """A GET request's body is not read as a second request."""
    body = b"GET /second HTTP/1.1\r\nHost: x\r\n\r\n"
    with served() as server, server.connect() as client:
        sent = b"GET /first?a=b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body)
        assert status_of(client, sent + body) == 200
        assert gone(client)
        assert [(one.path, one.query, one.body, one.sender) for one in server.seen] == [
            ("/first", "a=b", body, "127.0.0.1")
        ]


def test_the_bound_follows_the_memory_limiter():
    """A quarter of the lowest soft limit, but never so little that nothing could be received."""
    mib = 1 << 20
    assert most_held_bytes([]) == 128 * mib
    assert most_held_bytes([240 * mib, 800 * mib]) == 60 * mib
    assert most_held_bytes([mib]) == 4 * mib
    assert most_held_bytes([100 << 30]) == 128 * mib


class Fake:
    """A connection, for the order in which they are given up."""

    def __init__(self, sender="a", phase=Phase.IDLE, since_s=0.0, proven=True):
        self.sender, self.phase, self.since_s, self.proven = sender, phase, since_s, proven
        self.evicted = 0

    @property
    def evictable(self):
        return self.phase is not Phase.ANSWER

    def evict(self):
        self.evicted += 1


def given_up(*held):
    """Return which of the connections makes room for a new one of `b`."""
    connections = Connections(len(held))
    for one in held:
        assert not connections.add(one, None)
    new = Fake("b", Phase.HEAD, 99.0, proven=False)
    assert connections.add(new, None)
    assert len(connections.tasks) == len(held)
    return [*held, new].index(next(one for one in (*held, new) if one.evicted))


def test_who_makes_room():
    """The sender with the most; of its connections those that have proven nothing, then idle ones, then the oldest."""
    assert given_up(Fake("b", proven=False), Fake("a"), Fake("a")) == 0  # b has two then, and one that proved nothing
    assert given_up(Fake("c", proven=False), Fake("a"), Fake("a"), Fake("a")) == 1
    assert given_up(Fake(since_s=2), Fake(since_s=1), Fake(phase=Phase.BODY)) == 1
    assert given_up(Fake(phase=Phase.RESPONSE), Fake(phase=Phase.BODY, since_s=5)) == 1
    assert given_up(Fake(phase=Phase.ANSWER), Fake(phase=Phase.ANSWER)) == 2


def test_held_bytes_are_freed_by_the_largest_sender():
    """The sender that holds the most bytes loses a request at the limit, not one that holds few, however old."""
    held = HeldBytes(100)
    old, small, large = Fake("a", Phase.BODY, 1), Fake("b", Phase.BODY, 2), Fake("b", Phase.BODY, 3)
    assert held.hold(old, 30)
    assert held.hold(small, 10)
    assert held.hold(large, 50)
    assert held.hold(old, 20)
    assert (small.evicted, large.evicted, held.total) == (1, 0, 100)
    busy = replace_phase(old, Phase.ANSWER)
    assert held.hold(busy, 30)
    assert large.evicted == 1
    assert not held.hold(busy, 100)
    held.release(old)
    assert held.total == 0


def replace_phase(fake, phase):
    fake.phase = phase
    return fake


def test_json_is_bounded_before_it_is_read():
    """JSON is limited by its number of objects and values; the length of a string does not count."""
    check_values(b'{"a":"' + b"x" * 10_000_000 + b'"}')
    check_values(b"[" + b"1," * 100_000 + b"1]")
    with pytest.raises(TooManyValuesError, match="send smaller batches"):
        check_values(b'{"resourceSpans":[' + b"{}," * 300_000 + b"{}]}")
    with pytest.raises(TooManyValuesError):
        check_values(b"[" + b"1," * 3_000_000 + b"1]")


def test_a_pool_starts_threads_as_they_are_needed_and_does_not_wait_at_the_end():
    pool = DaemonPool(3, "pool")
    hold, held = threading.Event(), threading.Semaphore(0)

    def work(number):
        held.release()
        hold.wait(10)
        return number

    futures = [pool.submit(work, number) for number in range(5)]
    for _ in range(3):
        assert held.acquire(timeout=5)
    assert not held.acquire(blocking=False)
    assert pool.waiting == 2
    pool.shutdown(cancel_futures=True)
    assert [one.cancelled() for one in futures] == [False, False, False, True, True]
    hold.set()
    assert [one.result(5) for one in futures[:3]] == [0, 1, 2]
    with pytest.raises(RuntimeError):
        pool.submit(work, 1)


def test_a_pool_carries_errors_and_uses_idle_threads():
    pool = DaemonPool(8, "pool")
    with pytest.raises(ZeroDivisionError):
        pool.submit(lambda: 1 / 0).result(5)
    names = {pool.submit(lambda: threading.current_thread().name).result(5) for _ in range(20)}
    assert len(names) <= 2
    pool.shutdown()


def test_connections_are_a_third_of_the_files(monkeypatch):
    """Connections are limited to a third of the process's file limit, with a minimum."""
    for soft, expected in ((100, 33), (3_000, 1_000), (1_024, 341), (10, 16), (resource.RLIM_INFINITY, 1_000)):
        monkeypatch.setattr(resource, "getrlimit", lambda _, soft=soft: (soft, soft))
        assert most_connections(1_000) == expected
