"""Features of users, in plain Python."""

from __future__ import annotations

import hashlib


class UserFeatures:
    """Computes features of users."""

    def extract(self, user: int) -> list[float]:
        """Return eight numbers that depend on a user."""
        if user < 0:
            raise ValueError("users are numbered from 0")
        return [byte / 255 for byte in hashlib.blake2s(str(user).encode(), digest_size=8).digest()]
