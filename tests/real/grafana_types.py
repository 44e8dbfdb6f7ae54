"""Holds dashboards to Grafana's published types: `python grafana_types.py FOLDER`, in an environment that has the `REQUIREMENT`.

Prints a JSON object: by file, the keys that the types did not give back.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

REQUIREMENT = "grafana-foundation-sdk==1769699998!10.1.0"


def unknown(file):
    """Yield what Grafana's types do not know."""
    from grafana_foundation_sdk.cog import encoder, plugins
    from grafana_foundation_sdk.models.dashboard import Dashboard

    plugins.register_default_plugins()
    given = json.loads(file.read_text())
    yield from lost(given, json.loads(encoder.JSONEncoder().encode(Dashboard.from_json(given))))


def lost(given, read, path=""):
    """Yield the paths of mappings' keys that are not in what was made of them."""
    if isinstance(given, dict) and isinstance(read, dict):
        for key, value in given.items():
            if key in read:
                yield from lost(value, read[key], f"{path}/{key}")
            else:
                yield f"{path}/{key}: unknown"
    elif isinstance(given, list) and isinstance(read, list):
        for number, (one, other) in enumerate(zip(given, read)):  # noqa: B905
            yield from lost(one, other, f"{path}/{number}")


if __name__ == "__main__":
    print(json.dumps({file.name: list(unknown(file)) for file in sorted(Path(sys.argv[1]).glob("*.json"))}))
