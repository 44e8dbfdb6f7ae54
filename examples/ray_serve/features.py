"""Features of users, computed in plain Python: what a team would have before it looks at where the time goes."""

from __future__ import annotations

import hashlib
import time


class UserFeatures:
    """Reads a profile, slowly enough that concurrent requests have to wait."""

    def extract(self, user: int) -> dict[str, object]:
        """Return a user's features; takes 20 ms, as a query of a database would."""
        time.sleep(0.02)
        return {"user": user, "name": f"user {user}", "age": user % 80}


def embedding(text: str) -> list[float]:
    """Return eight numbers that depend on a text."""
    return [byte / 255 for byte in hashlib.blake2s(text.encode(), digest_size=8).digest()]
