"""A name server that answers late."""

import socket

import otel_fe


@otel_fe.extraction
def extract():
    try:
        return socket.getaddrinfo("features.invalid", 443)  # planted
    except OSError:
        return None


for _ in range(3):
    extract()
