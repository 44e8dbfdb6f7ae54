"""A cache that has none of the keys."""

import sys

import redis

import otel_fe

cache = redis.Redis(unix_socket_path=sys.argv[2])


@otel_fe.extraction
def extract():
    return [cache.get(f"feature:{n}") for n in range(1_500)]  # planted


for _ in range(4):
    extract()
