"""`GET /features/<user>`."""

from __future__ import annotations

from features import UserFeatures
from flask import Flask

app = Flask(__name__)
features = UserFeatures()


@app.get("/features/<int:user>")
def extract(user: int) -> list[float]:
    """Extract the features of one user."""
    return features.extract(user)
