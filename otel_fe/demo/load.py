"""Load for the example service: mixed requests from several clients, the same for the same seed."""

from __future__ import annotations

import http.client
import random
import threading
import time
from dataclasses import dataclass, field
from typing import Final

CLIENTS: Final = 8
_MIX: Final = (("user_profile", 60), ("digit_segment", 17), ("transaction_history", 14), ("image_embedding", 9))
_ENTITIES: Final = {"user_profile": 400, "digit_segment": 1_700, "transaction_history": 160, "image_embedding": 50}
_UNKNOWN: Final = 0.004
"""Share of requests for an entity that does not exist."""
_PAUSE_S: Final = 0.012
"""Mean pause of a client between two requests."""


@dataclass(slots=True)
class Sent:
    """The requests of the clients, and their failures."""

    requests: int = 0
    errors: int = 0
    """Answers other than 200."""
    failures: list[str] = field(default_factory=list)
    """Requests without an answer: the service is broken, not slow."""


class Load:
    """Requests from `CLIENTS` threads until stopped."""

    def __init__(self, port: int, seed: int) -> None:
        self._port = port
        self._seed = seed
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.sent = Sent()
        self._threads = [
            threading.Thread(target=self._client, args=(number,), name=f"load-{number}", daemon=True)
            for number in range(CLIENTS)
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> Sent:
        """End after the requests in flight, and return what was seen."""
        self._stop.set()
        for thread in self._threads:
            thread.join(15)
        return self.sent

    def _client(self, number: int) -> None:
        choices = random.Random(self._seed * 1_000 + number)
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        while not self._stop.is_set():
            try:
                connection.request("GET", _path(choices))
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                with self._lock:
                    self.sent.failures.append(f"{type(error).__name__}: {error}")
                time.sleep(0.1)
                continue
            with self._lock:
                self.sent.requests += 1
                self.sent.errors += answer.status != http.client.OK
            self._stop.wait(choices.expovariate(1 / _PAUSE_S))
        connection.close()


def _path(choices: random.Random) -> str:
    """Return the path of the next request; entities follow Zipf's law, as users do."""
    names = [name for name, _ in _MIX]
    feature_set = choices.choices(names, [weight for _, weight in _MIX])[0]
    entities = _ENTITIES[feature_set]
    if choices.random() < _UNKNOWN:
        return f"/features/user_profile/{10_000_000 + choices.randrange(100)}"
    entity = int(entities ** choices.random()) if feature_set != "digit_segment" else choices.randrange(entities)
    return f"/features/{feature_set}/{entity}"
