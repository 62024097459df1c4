"""The soil monitor: reads every mapped sensor every 30 seconds and publishes moisture and temperature of its plant."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from penstock.simulation import Clock

from .config import Calibration
from .sensors import Driver, SensorError

if TYPE_CHECKING:
    from penstock import Database

PUBLISH_S_MIN = 0.05
"""At a clock that runs fast, readings are published together, at most this often (in the world's seconds)."""
CYCLES_MAX = 2_000

_logger = logging.getLogger("houseplants")

Publish = Callable[[Sequence[Mapping[str, Any]]], object]


class SensorMapping:
    """Which sensor (by its address) stands in which plant's pot, kept up to date from the compacted topic while the monitor runs.

    The reader is a consumer that starts at the earliest record and commits nothing: after each start it reads the mapping anew, all that there
    is before the first reading is taken.
    """

    def __init__(self, db: Database) -> None:
        self._lock = threading.Lock()
        self._plants: dict[int, int] = {}
        db.execute("SET 'auto.offset.reset' = 'earliest';")
        self._query = db.query("SELECT sensor_id, plant_id FROM sensor_mapping EMIT CHANGES;")
        db.execute("UNSET 'auto.offset.reset';")
        for row in self._query.drain():
            self._note(*row)
        self._thread = threading.Thread(target=self._follow, name="sensor-mapping", daemon=True)
        self._thread.start()

    def plants(self) -> dict[int, int]:
        """Sensor address -> plant id, as of now."""
        with self._lock:
            return dict(self._plants)

    def close(self) -> None:
        """Stop reading."""
        self._query.close()
        self._thread.join(5)

    def _follow(self) -> None:
        for row in self._query:
            self._note(*row)

    def _note(self, sensor_id: str, plant_id: int) -> None:
        try:
            address = int(str(sensor_id), 16)
        except ValueError:
            _logger.warning("the mapping names the sensor %r, which is no address such as 0x36", sensor_id)
            return
        with self._lock:
            self._plants[address] = plant_id


class Monitor:
    """Reads the sensors of the mapping and publishes what they say.

    `plants` gives the mapping as it is when a cycle starts; `publish` takes rows of the stream houseplant_readings. The first cycle is at `start_ms`.
    With `catch_up` cycles that are overdue are taken each at its own time, which only a simulated driver can; else they are left out.
    """

    def __init__(
        self,
        driver: Driver,
        plants: Callable[[], Mapping[int, int]],
        publish: Publish,
        calibration: Calibration,
        *,
        interval_s: int,
        start_ms: int,
        catch_up: bool = False,
    ) -> None:
        self._driver, self._plants, self._publish, self._calibration = driver, plants, publish, calibration
        self._interval_ms = interval_s * 1000
        self._next_ms = start_ms
        self._catch_up = catch_up
        self._silent: set[int] = set()

    def cycle(self, now_ms: int) -> list[dict[str, Any]]:
        """One reading of every mapped sensor, as rows with ROWTIME. A sensor that does not answer is left out, and told of once until it does."""
        rows = []
        for address, plant_id in sorted(self._plants().items()):
            try:
                raw = self._driver.read(address, now_ms)
            except SensorError as error:
                if address not in self._silent:
                    _logger.warning("%s", error)
                self._silent.add(address)
                continue
            self._silent.discard(address)
            moisture = round(self._calibration.percent(raw.touch), 3)
            rows.append(
                {"id": str(plant_id), "plant_id": plant_id, "moisture": moisture, "temperature": round(raw.temperature, 3), "ROWTIME": now_ms}
            )
        return rows

    def run(self, clock: Clock, stop: threading.Event) -> None:
        """Take the readings that are due, until `stop` is set. Those that are due together are published together, each with its own time."""
        while clock.wait_until(self._next_ms, stop):
            now_ms = clock.now_ms()
            rows: list[dict[str, Any]] = []
            for _ in range(CYCLES_MAX):
                if self._next_ms > now_ms or stop.is_set():
                    break
                if not self._catch_up:
                    self._next_ms += (now_ms - self._next_ms) // self._interval_ms * self._interval_ms
                rows += self.cycle(self._next_ms)
                self._next_ms += self._interval_ms
            if rows:
                self._publish(rows)
            stop.wait(PUBLISH_S_MIN)
