"""`GET /features/<user>`, from whichever worker takes the request; the answer says which."""

from __future__ import annotations

import os

from features import UserFeatures
from flask import Flask

app = Flask(__name__)
features = UserFeatures()


@app.get("/features/<int:user>")
def extract(user: int) -> dict[str, object]:
    """Extract the features of one user."""
    return {"features": features.extract(user), "pid": os.getpid()}
