"""Small changes to bytes, as a faulty network or a faulty encoder makes them, and as an attacker would."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

Mutation = Callable[[random.Random, bytearray, bytes], None]
"""Takes the bytes to change in place, and another input to take from."""

INTERESTING = (
    b"\x00",
    b"\x7f",
    b"\x80",
    b"\xff",
    b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01",
    b"\x0b",
    b"\x0c",
    b"\xc3\x28",
)
TOKENS = (b'"', b"{", b"}", b"[", b"]", b"null", b"1e999", b"-", b"\\ud800", b'"traceId":', b"NaN", b",", b"9" * 30)


def flip(draw: random.Random, data: bytearray, other: bytes) -> None:
    data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)


def step(draw: random.Random, data: bytearray, other: bytes) -> None:
    """Where it hits a length, a message is too long or too short by one."""
    place = draw.randrange(len(data))
    data[place] = (data[place] + draw.choice((-1, 1))) & 0xFF


def truncate(draw: random.Random, data: bytearray, other: bytes) -> None:
    del data[draw.randrange(len(data)) :]


def insert(draw: random.Random, data: bytearray, other: bytes) -> None:
    place = draw.randrange(len(data))
    data[place:place] = draw.choice(INTERESTING)


def insert_token(draw: random.Random, data: bytearray, other: bytes) -> None:
    place = draw.randrange(len(data))
    data[place:place] = draw.choice(TOKENS)


def cut(draw: random.Random, data: bytearray, other: bytes) -> None:
    place = draw.randrange(len(data))
    del data[place : place + draw.randint(1, 8)]


def repeat(draw: random.Random, data: bytearray, other: bytes) -> None:
    place = draw.randrange(len(data))
    data[place:place] = data[place : place + draw.randint(1, 64)] * draw.choice((1, 1, 2, 8))


def splice(draw: random.Random, data: bytearray, other: bytes) -> None:
    if other:
        place = draw.randrange(len(other))
        data[draw.randrange(len(data)) :] = other[place:]


BINARY: Sequence[Mutation] = (flip, step, step, truncate, insert, cut, repeat, splice)
TEXT: Sequence[Mutation] = (flip, step, truncate, insert_token, insert_token, cut, repeat, splice)


def mutated(draw: random.Random, data: bytes, other: bytes, mutations: Sequence[Mutation]) -> bytes:
    """Return the bytes with one to four changes."""
    changed = bytearray(data)
    for _ in range(draw.choice((1, 1, 2, 4))):
        if changed:
            draw.choice(mutations)(draw, changed, other)
    return bytes(changed)
