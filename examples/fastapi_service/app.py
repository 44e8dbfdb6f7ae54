"""`GET /features/{user}` in an event loop, `GET /sync/{user}` on a thread of FastAPI's pool."""

from __future__ import annotations

from fastapi import FastAPI
from features import UserFeatures

app = FastAPI()
features = UserFeatures()


@app.get("/features/{user}")
async def in_the_loop(user: int) -> list[float]:
    """Extract in the event loop."""
    return features.extract(user)


@app.get("/sync/{user}")
def on_a_thread(user: int) -> list[float]:
    """Extract on a thread."""
    return features.extract(user)
