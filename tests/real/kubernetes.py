"""A real Kubernetes API server over a real etcd: no nodes and no controllers, so that objects are judged and stored, and nothing runs."""

from __future__ import annotations

import json
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from tests.integration.servers import free_port
from tests.real.go_module import GoModule

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_NAME = "k8s.io/kubernetes"
_VERSION = "v1.34.4"
_KUBERNETES = GoModule(
    "Kubernetes",
    _NAME,
    _VERSION,
    {"kube-apiserver": f"{_NAME}/cmd/kube-apiserver", "etcd": "go.etcd.io/etcd/server/v3"},
    staged="v0.34.4",
    # It takes its version apart when it starts.
    settings={"k8s.io/component-base/version.gitVersion": _VERSION},
)
_START_S = 60
_TOKEN = "test"
_COLLECTIONS = {
    "Namespace": "/api/v1/namespaces",
    "ConfigMap": "/api/v1/namespaces/{}/configmaps",
    "Service": "/api/v1/namespaces/{}/services",
    "PodDisruptionBudget": "/apis/policy/v1/namespaces/{}/poddisruptionbudgets",
    "StatefulSet": "/apis/apps/v1/namespaces/{}/statefulsets",
}


class Cluster:
    """A Kubernetes API server on loopback, without nodes."""

    def __init__(self, port: int) -> None:
        self._url = f"https://127.0.0.1:{port}"
        # Its certificate is one that it has made for itself.
        self._context = ssl._create_unverified_context()

    def ready(self) -> bool:
        """Return True if the server reports that it is ready."""
        try:
            return self._ask("/readyz")[0] == 200
        except OSError:
            return False

    def create(self, made: dict[str, Any]) -> tuple[int, str]:
        """Create an object as `kubectl create` does, strictly; return the status, and what was said: errors or else warnings."""
        path = _COLLECTIONS[made["kind"]].format(made["metadata"].get("namespace"))
        return self._ask(f"{path}?fieldValidation=Strict", json.dumps(made).encode())

    def _ask(self, path: str, body: bytes | None = None) -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {_TOKEN}", "Content-Type": "application/json"}
        request = urllib.request.Request(self._url + path, body, headers)
        try:
            with urllib.request.urlopen(request, context=self._context, timeout=20) as answer:
                return answer.status, "; ".join(answer.headers.get_all("Warning") or ())
        except urllib.error.HTTPError as fault:
            return fault.code, fault.read().decode()


@contextmanager
def api_server(folder: Path) -> Iterator[Cluster]:
    """Run both; they keep everything in a folder."""
    programs = _KUBERNETES.built()
    ports = [free_port() for _ in range(3)]
    client, peer = (f"http://127.0.0.1:{port}" for port in ports[:2])
    key = folder / "accounts.key"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], check=True, capture_output=True)
    (folder / "tokens.csv").write_text(f"{_TOKEN},admin,admin,system:masters\n")
    etcd = [
        *(programs / "etcd", f"--data-dir={folder / 'etcd'}", f"--listen-peer-urls={peer}"),
        *(f"--listen-client-urls={client}", f"--advertise-client-urls={client}"),
    ]
    server = [
        *(programs / "kube-apiserver", f"--etcd-servers={client}", "--bind-address=127.0.0.1"),
        *(f"--secure-port={ports[2]}", f"--cert-dir={folder / 'certificates'}"),
        *(f"--token-auth-file={folder / 'tokens.csv'}", "--service-cluster-ip-range=10.0.0.0/24"),
        *(f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}"),
        "--service-account-issuer=https://kubernetes.default.svc",
    ]
    with ExitStack() as stack:
        running = [stack.enter_context(_running(one, folder)) for one in (etcd, server)]
        cluster = Cluster(ports[2])
        deadline = time.monotonic() + _START_S
        while not cluster.ready():
            alive = all(process.poll() is None for process in running)
            assert alive and time.monotonic() < deadline, (folder / "kube-apiserver.log").read_text()[-3000:]
            time.sleep(0.2)
        yield cluster


@contextmanager
def _running(command: list[Any], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / f"{command[0].name}.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        yield process
    finally:
        # It keeps nothing that anybody wants.
        process.kill()
        process.wait()
