"""The bytes of an HTTP connection over TLS."""

from __future__ import annotations

import asyncio
import socket
import ssl

import trustme

from otel_fe.collector.servers.byte_stream import READ_BYTES, ByteStream


def contexts():
    """Return TLS settings of a server and of a client that trusts it."""
    authority = trustme.CA()
    server, client = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("localhost").configure_cert(server)
    authority.configure_trust(client)
    return server, client


async def shaken(stream, theirs, sent):
    """Shake hands, with the first data in the same flight as the handshake's end; return the client's end."""
    server, client = contexts()
    loop = asyncio.get_running_loop()
    shaking = loop.create_task(stream.start_tls(server, 10))
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = client.wrap_bio(incoming, outgoing, server_hostname="localhost")
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            await loop.sock_sendall(theirs, outgoing.read())
            incoming.write(await loop.sock_recv(theirs, 1 << 16))
    tls.write(sent)
    data = outgoing.read()
    at_once = theirs.send(data)  # nothing else runs meanwhile
    rest = loop.create_task(loop.sock_sendall(theirs, data[at_once:]))
    await shaking
    return at_once, rest


async def opened():
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)
    loop = asyncio.get_running_loop()
    _, stream = await loop.connect_accepted_socket(lambda: ByteStream(bytearray(READ_BYTES), lambda _: None), ours)
    return stream, theirs


def test_data_may_come_with_the_end_of_the_handshake():
    """As Go's clients send it. Before, the encrypted transport was told to stop, and the one that decrypts to go on."""
    sent = bytes(range(256)) * 4_096

    async def received():
        stream, theirs = await opened()
        at_once, rest = await shaken(stream, theirs, sent)
        assert at_once > READ_BYTES
        found = b""
        while len(found) < len(sent):
            found += await asyncio.wait_for(stream.read(), 10)
        await rest
        stream.abort()
        theirs.close()
        return found

    assert asyncio.run(received()) == sent


def test_what_is_sent_is_drained_at_once():
    """Whether or not the client says anything more. Before, that took data from the client after every other call."""

    async def drained():
        stream, theirs = await opened()
        _, rest = await shaken(stream, theirs, b"x")
        await rest
        for _ in range(4):
            stream.write(b"answer")
            await stream.drain(0.5)
        stream.abort()
        theirs.close()

    asyncio.run(drained())
