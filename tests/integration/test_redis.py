"""Look-ups and waits in Redis, against real servers."""

from __future__ import annotations

import asyncio
import itertools
import queue
import socket
import subprocess
import sys
import threading
import time

import pytest
import redis
import redis.asyncio
from opentelemetry.instrumentation.redis import RedisInstrumentor

import otel_fe

PREFIX = "feature_extraction."


@pytest.fixture
def client(redis_port):
    """Return a client of an empty server that holds one value of each kind."""
    with redis.Redis(port=redis_port, decode_responses=True) as found:
        found.flushall()
        found.set("present", "the value")
        found.hset("hash", mapping={"a": "1", "b": "2"})
        yield found


def cache_of(observed, work):
    """Run `work` in an extraction; return look-ups and hits on its span."""
    with otel_fe.extraction("x"):
        work()
    attributes = observed.extractions()[-1].attributes
    return attributes.get(f"{PREFIX}cache.lookups"), attributes.get(f"{PREFIX}cache.hits")


@pytest.mark.parametrize(
    ("work", "expected"),
    [
        (lambda r: r.get("present"), (1, 1)),
        (lambda r: r.get("absent"), (1, 0)),
        (lambda r: r.getex("present", ex=60), (1, 1)),
        (lambda r: r.mget("present", "absent", "present"), (3, 2)),
        (lambda r: r.hget("hash", "a"), (1, 1)),
        (lambda r: r.hget("hash", "z"), (1, 0)),
        (lambda r: r.hmget("hash", "a", "z"), (2, 1)),
        (lambda r: r.hgetall("hash"), (1, 1)),
        (lambda r: r.hgetall("none"), (1, 0)),
        (lambda r: r.exists("present", "absent"), (2, 1)),
        (lambda r: r.execute_command("get", "present"), (1, 1)),
        (lambda r: r.set("other", "1"), (None, None)),
    ],
)
def test_each_command_counts_its_look_ups(observed, client, work, expected):
    """The response decides between hits and misses; a command without a look-up is not counted."""
    assert cache_of(observed, lambda: work(client)) == expected


@pytest.mark.parametrize("transaction", [True, False])
def test_pipelines_count_when_they_are_executed(observed, client, transaction):
    """All look-ups of a pipeline or transaction count, and nothing else in it does."""

    def work():
        with client.pipeline(transaction=transaction) as pipe:
            results = pipe.get("present").get("absent").set("x", 1).mget("present", "absent").execute()
        assert results == ["the value", None, True, ["the value", None]]

    assert cache_of(observed, work) == (4, 2)


def test_an_immediate_command_of_a_watching_pipeline_counts(observed, client):
    """After WATCH a pipeline executes at once, and that look-up counts too."""

    def work():
        with client.pipeline() as pipe:
            pipe.watch("present")
            assert pipe.get("present") == "the value"
            pipe.multi()
            pipe.set("present", "the value")
            pipe.execute()

    assert cache_of(observed, work) == (1, 1)


def test_a_failed_command_is_no_look_up_and_fails_as_before(observed, client):
    """The exception is redis-py's own, and nothing is counted."""

    def work():
        with pytest.raises(redis.ResponseError, match="WRONGTYPE"):
            client.get("hash")

    assert cache_of(observed, work) == (None, None)


def test_no_key_and_no_value_reaches_a_span(observed, client):
    """Counts and times are all that is recorded."""
    cache_of(observed, lambda: (client.get("present"), client.get("absent")))
    assert not any(
        word in str(span.to_json()) for span in observed.spans for word in ("the value", "present", "absent")
    )


def test_commands_outside_of_extractions_are_left_alone(observed, client):
    """A Redis command outside an extraction records no span."""
    assert client.get("present") == "the value"
    assert observed.extractions() == []


def test_nested_extractions_each_keep_their_own(observed, client):
    """A look-up belongs to the innermost extraction."""
    with otel_fe.extraction("outer"):
        client.get("present")
        with otel_fe.extraction("inner"):
            client.get("absent")
            client.get("absent")
    inner, outer = observed.extractions()
    assert (inner.attributes[f"{PREFIX}cache.lookups"], inner.attributes[f"{PREFIX}cache.hits"]) == (2, 0)
    assert (outer.attributes[f"{PREFIX}cache.lookups"], outer.attributes[f"{PREFIX}cache.hits"]) == (1, 1)
    assert inner.parent.span_id == outer.context.span_id


class Asked(queue.LifoQueue):
    """The connections of a pool; says when one is asked for, before the asking thread waits."""

    asked = None

    def get(self, *args, **kwargs):
        if self.asked is not None:
            self.asked.set()
        return super().get(*args, **kwargs)


@pytest.mark.parametrize("opened_again", [False, True], ids=["kept open", "opened again"])
def test_a_blocking_pool_s_wait_lands_on_the_extraction_that_waited(observed, redis_port, opened_again):
    """The second of two threads at one connection waits for as long as the first holds it; the first does not wait."""
    pool = redis.BlockingConnectionPool(
        port=redis_port, max_connections=1, timeout=60, queue_class=Asked, username="default", password=None
    )
    held, asked = threading.Event(), threading.Event()

    def hold():
        with otel_fe.extraction("first"):
            connection = pool.get_connection()
            if opened_again:  # as a command does that finds it closed
                connection.disconnect()
                connection.connect()
            pool.pool.asked = asked
            held.set()
            asked.wait(60)
            time.sleep(0.5)
            pool.release(connection)

    def wait():
        held.wait(60)
        with otel_fe.extraction("second"):
            pool.release(pool.get_connection())

    threads = [threading.Thread(target=work) for work in (hold, wait)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pool.disconnect()
    waits = {span.name: span.attributes for span in observed.extractions()}
    second = waits["feature_extraction second"]
    assert second[f"{PREFIX}pool.wait_time"] >= 0.5
    assert waits["feature_extraction first"][f"{PREFIX}pool.wait_time"] < 0.5
    assert second[f"{PREFIX}pool.name"] == f"redis://localhost:{redis_port}/0"
    assert (second[f"{PREFIX}pool.size"], second[f"{PREFIX}pool.in_use"]) == (1, 1)
    assert second[f"{PREFIX}bottleneck"] == "pool_wait"


@pytest.mark.parametrize("kind", ["sync", "asyncio"])
def test_making_a_connection_is_no_wait(observed, redis_port, kind):
    """A pool with room makes no caller wait, however long its connections take to open."""
    module = redis.asyncio if kind == "asyncio" else redis

    class SlowToMake(module.Connection):
        def __init__(self, **kwargs):
            time.sleep(0.5)
            super().__init__(**kwargs)

    pool = module.BlockingConnectionPool(connection_class=SlowToMake, port=redis_port, max_connections=1)

    client = module.Redis(connection_pool=pool)

    async def later():
        await client.ping()
        await pool.disconnect()

    with otel_fe.extraction("x"):
        asyncio.run(later()) if kind == "asyncio" else client.ping()
    if kind == "sync":
        pool.disconnect()
    (span,) = observed.extractions()
    assert span.attributes[f"{PREFIX}pool.wait_time"] < 0.5
    assert span.end_time - span.start_time >= 500_000_000


def test_redis_own_pool_is_no_pool_that_is_waited_for(observed, redis_port):
    """A plain pool opens connections and never waits, so an extraction has no pool unless a bound was reached."""
    with redis.Redis(port=redis_port) as client, otel_fe.extraction("x"):
        client.get("absent")
    (span,) = observed.extractions()
    assert not [name for name in span.attributes if name.startswith(f"{PREFIX}pool.")]
    assert observed.total("feature_extraction.pool.wait_time") == 0


def test_an_exhausted_plain_pool_shows_its_bound(observed, redis_port):
    """A plain pool refuses at once: the wait is 0, and the pool's size and use are recorded."""
    pool = redis.ConnectionPool(port=redis_port, max_connections=1)
    with redis.Redis(connection_pool=pool) as client, client.pipeline() as pipe:
        pipe.watch("x")
        with pytest.raises(redis.ConnectionError), otel_fe.extraction("x"):
            client.get("x")
    pool.disconnect()
    (span,) = observed.extractions()
    assert (span.attributes[f"{PREFIX}pool.size"], span.attributes[f"{PREFIX}pool.in_use"]) == (1, 1)


@pytest.mark.parametrize("when", ["connecting", "reading"])
@pytest.mark.parametrize("blocking", [False, True], ids=["plain pool", "blocking pool"])
@pytest.mark.parametrize("kind", ["sync", "asyncio"])
def test_a_time_out_is_a_call_not_a_wait_for_the_pool(observed, kind, blocking, when):
    """The server's silence is no reason to let a pool grow: the time is downstream."""
    import redis.asyncio as redis_asyncio
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    module = redis_asyncio if kind == "asyncio" else redis
    retry = redis_asyncio.retry.Retry if kind == "asyncio" else Retry
    pools = module.BlockingConnectionPool if blocking else module.ConnectionPool

    def answer(server):
        """Say hello to what connects, and nothing more, if only reading is to time out."""
        connection, _ = server.accept()
        with connection:
            while asked := connection.recv(4096):
                if when == "reading" and b"GET" not in asked:
                    connection.sendall(b"+OK\r\n" * asked.count(b"*"))

    with socket.create_server(("127.0.0.1", 0)) as server:
        thread = threading.Thread(target=answer, args=(server,))
        thread.start()
        credentials = {"username": "u", "password": "p"} if when == "connecting" else {}
        pool = pools(
            port=server.getsockname()[1],
            protocol=2,
            socket_timeout=0.5,
            retry=retry(NoBackoff(), 0),
            max_connections=2,
            **credentials,
        )
        client = module.Redis(connection_pool=pool)

        async def later():
            try:
                await client.get("x")
            finally:
                await pool.disconnect()

        with pytest.raises(redis.TimeoutError), otel_fe.extraction("x"):
            asyncio.run(later()) if kind == "asyncio" else client.get("x")
        if kind == "sync":
            pool.disconnect()
        thread.join()
    (span,) = observed.extractions()
    lasted = (span.end_time - span.start_time) / 1e9
    assert lasted >= 0.5
    assert span.attributes[f"{PREFIX}bottleneck"] == "downstream"
    assert span.attributes[f"{PREFIX}time.downstream"] >= 0.4
    assert span.attributes.get(f"{PREFIX}pool.wait_time", 0) < 0.4


def test_asyncio_clients_and_concurrent_tasks(observed, client, redis_port):
    """Interleaved tasks do not mix their look-ups; pipelines and blocking pools work as with threads."""
    client.get("present")

    async def work(number):
        async with redis.asyncio.Redis(port=redis_port) as ours, otel_fe.extraction(f"task{number}"):
            for _ in range(number):
                await ours.get("present")
            async with ours.pipeline(transaction=number % 2 == 0) as pipe:
                pipe.get("present")
                pipe.get("absent")
                await pipe.execute()

    async def main():
        await asyncio.gather(*(work(number) for number in range(1, 6)))

    asyncio.run(main())
    for span in observed.extractions():
        number = int(span.name[-1])
        assert span.attributes[f"{PREFIX}cache.lookups"] == number + 2
        assert span.attributes[f"{PREFIX}cache.hits"] == number + 1
        assert f"{PREFIX}cpu.time" not in span.attributes


def test_a_cluster_counts_single_commands_and_pipelines(observed, cluster_port):
    """The cluster clients, synchronous and asyncio, tell hits from misses."""
    with redis.cluster.RedisCluster(port=cluster_port, host="127.0.0.1") as cluster:
        cluster.set("present", "1")

        def work():
            cluster.get("present")
            cluster.get("absent")
            pipe = cluster.pipeline()
            pipe.get("present")
            pipe.get("absent")
            pipe.get("other")
            pipe.execute()

        assert cache_of(observed, work) == (5, 2)

    async def main():
        async with redis.asyncio.cluster.RedisCluster(host="127.0.0.1", port=cluster_port) as ours:
            async with otel_fe.extraction("async"):
                await ours.get("present")
                await ours.get("absent")
                async with ours.pipeline() as pipe:
                    await pipe.get("present").get("absent").execute()

    asyncio.run(main())
    attributes = observed.extractions()[-1].attributes
    assert (attributes[f"{PREFIX}cache.lookups"], attributes[f"{PREFIX}cache.hits"]) == (4, 2)


@pytest.mark.parametrize("order", list(itertools.permutations(("ours", "theirs"))), ids="-".join)
@pytest.mark.parametrize("undone", list(itertools.permutations(("ours", "theirs"))), ids="-".join)
def test_beside_the_redis_instrumentation_in_every_order(client, order, undone):
    """Both see every command, in either order of instrumentation; when both are removed, redis-py is unchanged."""
    from tests.observed import Observed

    before = {name: vars(redis.Redis)[name] for name in ("execute_command", "_send_command_parse_response")}
    observed = Observed()
    from otel_fe.config.settings import Settings

    ours, theirs = otel_fe.FeatureExtractionInstrumentor(), RedisInstrumentor()
    for who in order:
        if who == "ours":
            ours.instrument(
                tracer_provider=observed.traces, meter_provider=observed.metrics, settings=Settings(baseline_ratio=1.0)
            )
        else:
            theirs.instrument(tracer_provider=observed.traces)
    try:
        with otel_fe.extraction("x"):
            client.get("present")
        (extraction,) = observed.extractions()
        (child,) = [span for span in observed.spans if span.name == "GET"]
        assert extraction.attributes[f"{PREFIX}cache.lookups"] == 1
        assert child.parent.span_id == extraction.context.span_id
        assert child.attributes["db.statement"] == "GET ?"
    finally:
        for who in undone:
            (ours if who == "ours" else theirs).uninstrument()
        observed.traces.shutdown()
        observed.metrics.shutdown()
    assert {name: vars(redis.Redis)[name] for name in before} == before
    assert client.get("present") == "the value"


@pytest.mark.parametrize(
    ("response", "expected"),
    [(None, (0, 1)), ("[]", (0, 1)), ([], (0, 1)), ("[1]", (1, 0)), ({"a": 1}, (1, 0)), ([[1]], (1, 0))],
)
def test_json_get_by_the_shapes_of_its_response(response, expected):
    """No server here has the JSON module: the counting is tested on the shapes that it answers with."""
    from otel_fe.instrument.libraries.redis_responses import COUNTS

    assert COUNTS["JSON.GET"](response, ("JSON.GET", "key", "$")) == expected


STRICT = """
import sys
import redis
import otel_fe
from otel_fe import faults
from otel_fe.testing import capture
with capture() as observed:
    # Of RESP3, redis-py itself compares text with bytes.
    for client in (redis.Redis(port=int(sys.argv[1]), protocol=2), redis.Redis(port=int(sys.argv[1]), protocol=2, decode_responses=True)):
        client.set("strict", "1")
        with otel_fe.extraction("x"):
            client.get("strict")
            client.execute_command(b"GET", "strict")
            client.execute_command("get", b"none")
            client.mget("strict", "none")
            with client.pipeline(transaction=False) as pipeline:
                pipeline.get("strict").execute_command("get", b"none")
                pipeline.execute()
    for span in observed.extractions():
        print(span.attributes["feature_extraction.cache.lookups"], span.attributes["feature_extraction.cache.hits"])
print(faults.counts())
"""


def test_look_ups_count_where_text_and_bytes_must_not_be_compared(redis_port):
    """`python -bb` makes an error of each comparison."""
    command = [sys.executable, "-bb", "-c", STRICT, str(redis_port)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["7 4", "7 4", "{}"]
