"""Holds rendered files to published schemas: `python file_schemas.py FOLDER`, in an environment that has the `REQUIREMENTS`.

Prints a JSON object: by file, what is wrong with it. Kubernetes's objects go through its JSON schemas, strictly; a compose file
through the specification's model; a dashboard through Grafana's own types, which must give back all that they were given.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

REQUIREMENTS = ("kubernetes-validate==1.37.0", "compose-spec==0.2.1", "grafana-foundation-sdk==1769699998!10.1.0")


def kubernetes(file):
    """Yield what a cluster's API would refuse."""
    import kubernetes_validate
    import yaml

    for document in yaml.safe_load_all(file.read_text()):
        try:
            kubernetes_validate.validate(document, kubernetes_validate.latest_version(), strict=True)
        except kubernetes_validate.ValidationError as fault:
            yield str(fault)


def compose(file):
    """Yield what the specification does not know."""
    import yaml
    from compose_spec import PyCompose

    # As compose does first.
    text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", file.read_text())
    try:
        read = PyCompose.from_yaml(text).to_dict()
    except Exception as fault:
        yield str(fault)
        return
    yield from lost(yaml.safe_load(text), read)


def dashboard(file):
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


def main(folder):
    """Print what is wrong with each file."""
    found = {
        check: sorted(folder.glob(pattern))
        for check, pattern in (
            (kubernetes, "kubernetes/*.yaml"),
            (compose, "compose.yaml"),
            (dashboard, "grafana/dashboards/*.json"),
        )
    }
    wrong = {str(file.relative_to(folder)): list(check(file)) for check, files in found.items() for file in files}
    print(json.dumps(wrong))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
