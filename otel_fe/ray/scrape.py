"""Scrapes Ray's metrics from the Prometheus endpoint of every node."""

from __future__ import annotations

import re
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_ESCAPED: Final = re.compile(r"\\(.)")
_WANTED: Final = ("ray_serve_", "ray_feature_extraction_")
_TIMEOUT_S: Final = 5.0


@dataclass(frozen=True, slots=True)
class ScrapedSample:
    """One line of an exposition."""

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float

    def label(self, name: str) -> str:
        """Return a label's value, empty where it has none."""
        return dict(self.labels).get(name, "")


@dataclass(frozen=True, slots=True)
class Scraped:
    """The metrics of a cluster at one moment."""

    samples: list[ScrapedSample] = field(default_factory=list)
    unreachable: tuple[str, ...] = ()
    """Addresses of nodes that are alive by Ray's account and did not answer."""

    def total(self, name: str, **labels: str) -> float:
        """Return the sum of the samples of a name that have these labels."""
        wanted = labels.items()
        return sum(one.value for one in self.samples if one.name == name and wanted <= dict(one.labels).items())


def parse(text: str, prefixes: tuple[str, ...] = _WANTED) -> Iterator[ScrapedSample]:
    """Yield the samples of a text exposition whose names begin with one of the prefixes."""
    for line in text.splitlines():
        if not line.startswith(prefixes):
            continue
        name, _, rest = line.partition("{")
        inside, closed, value = rest.rpartition("}")
        if not closed:
            name, _, value = line.partition(" ")
        labels = tuple((key, _ESCAPED.sub(_unescaped, text)) for key, text in _LABEL.findall(inside))
        yield ScrapedSample(name, labels, float(value.split()[0]))


def _unescaped(match: re.Match[str]) -> str:
    return "\n" if match[1] == "n" else match[1]


def scrape(nodes: Iterable[dict[str, Any]], timeout_s: float = _TIMEOUT_S) -> Scraped:
    """Read every node that is alive. One that does not answer is named and left out.

    Args:
        nodes: What `ray.nodes()` returns.
        timeout_s: For each of them.
    """
    samples: list[ScrapedSample] = []
    unreachable: list[str] = []
    for node in nodes:
        port = node.get("MetricsExportPort") or 0
        if not node.get("Alive") or not port:
            continue
        address = f"{node['NodeManagerAddress']}:{port}"
        try:
            with urllib.request.urlopen(f"http://{address}/metrics", timeout=timeout_s) as answer:  # noqa: S310 ours is http
                samples += parse(answer.read().decode())
        except (OSError, ValueError):
            unreachable.append(address)
    return Scraped(samples, tuple(unreachable))
