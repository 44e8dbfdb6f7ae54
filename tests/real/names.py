"""A DNS server on a loopback address of its own, and a way to let one process ask it and no other."""

from __future__ import annotations

import os
import socket
import struct
import threading
from pathlib import Path

_ADDRESS = "127.53.0.1"
"""Settings of resolvers name addresses only, so that the port has to be 53."""
_A, _NO_ERROR, _NO_SUCH_NAME = 1, 0, 3
_ANSWERED = 0x8180
"""A response, with recursion wanted and to be had."""


class Names:
    """Answers for one name with the A records that a test gives it, as Kubernetes does for a headless Service.

    Attributes:
        addresses: What the name resolves to from now on; where there are none, there is no such name.
    """

    def __init__(self, name: str, folder: Path) -> None:
        self.addresses: tuple[str, ...] = ()
        self._name = name
        self._resolv = folder / "resolv.conf"
        self._resolv.write_text(f"nameserver {_ADDRESS}\noptions ndots:0\n")
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._thread = threading.Thread(target=self._serve, daemon=True)

    @staticmethod
    def obtainable() -> bool:
        """Return True if this process may listen on port 53 and mount files over others; both require root."""
        return os.geteuid() == 0 and Path("/usr/bin/unshare").exists()

    @property
    def within(self) -> tuple[str, ...]:
        """A command that runs the one that follows it where this server is the machine's."""
        mount = f'mount --bind "{self._resolv}" "$(readlink -f /etc/resolv.conf)" && exec "$0" "$@"'
        return ("unshare", "--mount", "sh", "-c", mount)

    def __enter__(self) -> Names:  # noqa: PYI034 - Self is of 3.11
        self._socket.bind((_ADDRESS, 53))
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        # The thread waits for a datagram.
        self._socket.sendto(b"", (_ADDRESS, 53))
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            asked, client = self._socket.recvfrom(512)
            if not asked:
                return
            self._socket.sendto(self._answer(asked), client)

    def _answer(self, asked: bytes) -> bytes:
        (number,) = struct.unpack_from("!H", asked)
        name, at = _read_name(asked, 12)
        (kind,) = struct.unpack_from("!H", asked, at)
        known = name.rstrip(".") == self._name and self.addresses
        answers = self.addresses if known and kind == _A else ()
        flags = _ANSWERED | (_NO_ERROR if known else _NO_SUCH_NAME)
        head = struct.pack("!6H", number, flags, 1, len(answers), 0, 0)
        # 0xC00C: the name that was asked for. One second is how long it may be remembered.
        records = [struct.pack("!3HIH", 0xC00C, _A, 1, 1, 4) + socket.inet_aton(one) for one in answers]
        return head + asked[12 : at + 4] + b"".join(records)


def _read_name(message: bytes, at: int) -> tuple[str, int]:
    """Return a name that is not compressed, as those of questions are, and where it ends."""
    labels = []
    while length := message[at]:
        labels.append(message[at + 1 : at + 1 + length].decode())
        at += 1 + length
    return ".".join(labels), at + 1
