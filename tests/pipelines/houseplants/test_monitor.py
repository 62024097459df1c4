"""The soil monitor with both drivers. Adafruit's own library runs here on an I2C bus that is made up: no sensor is wired to a test machine."""

from __future__ import annotations

import itertools
import logging
import struct
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from pipelines.houseplants.config import Calibration, load
from pipelines.houseplants.monitor import Monitor
from pipelines.houseplants.sensors import ADDRESSES, RawReading, SeesawDriver, SensorError
from pipelines.houseplants.simulator import DAY_MS, Simulator

from penstock.simulation import Clock

START_MS = 20_000 * DAY_MS
CALIBRATION = Calibration(dry=330, wet=1020)


class Table:
    """A driver that answers from a table of what each address reads; a missing one does not answer."""

    def __init__(self, touches: dict[int, int]) -> None:
        self.touches = touches
        self.read_at: list[tuple[int, int]] = []

    def read(self, address: int, now_ms: int) -> RawReading:
        self.read_at.append((address, now_ms))
        if address not in self.touches:
            raise SensorError(f"The sensor at {address:#x} does not answer.")
        return RawReading(self.touches[address], 20.00049)


def monitor(driver: Any, mapping: Mapping[int, int], published: list[Mapping[str, Any]], **options: Any) -> Monitor:
    def publish(rows: Sequence[Mapping[str, Any]]) -> None:
        published.extend(rows)

    return Monitor(driver, lambda: mapping, publish, CALIBRATION, interval_s=30, start_ms=START_MS, **options)


@pytest.mark.parametrize(("touch", "percent"), [(330, 0.0), (1020, 100.0), (675, 50.0), (200, 0.0), (4000, 100.0), (500, 24.638)])
def test_moisture_is_the_clipped_percentage_between_the_calibration_values(touch: int, percent: float) -> None:
    row = monitor(Table({0x36: touch}), {0x36: 7}, []).cycle(START_MS)[0]
    assert row == {"id": "7", "plant_id": 7, "moisture": percent, "temperature": 20.0, "ROWTIME": START_MS}


def test_a_silent_sensor_is_left_out_and_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    driver = Table({0x36: 500})
    watching = monitor(driver, {0x36: 1, 0x37: 2}, [])
    with caplog.at_level(logging.WARNING, "houseplants"):
        for cycle in range(3):
            assert [row["plant_id"] for row in watching.cycle(START_MS + cycle)] == [1]
        assert len(caplog.records) == 1
        driver.touches[0x37] = 600
        assert [row["plant_id"] for row in watching.cycle(START_MS)] == [1, 2]
        del driver.touches[0x37]
        watching.cycle(START_MS)
    assert len(caplog.records) == 2, "it was back in between"


def test_a_change_of_the_mapping_counts_from_the_next_cycle_on() -> None:
    mapping = {0x36: 1, 0x37: 2}
    watching = monitor(Table({0x36: 500, 0x37: 600}), mapping, [])
    assert [row["id"] for row in watching.cycle(START_MS)] == ["1", "2"]
    mapping[0x36] = 3
    assert [row["id"] for row in watching.cycle(START_MS)] == ["3", "2"]


def run_until(watching: Monitor, published: list[Mapping[str, Any]], count: int, speed: float) -> None:
    stop, enough = threading.Event(), threading.Event()
    thread = threading.Thread(target=watching.run, args=(Clock(START_MS, speed), stop))
    thread.start()
    while len(published) < count and not enough.wait(0.01):
        pass
    stop.set()
    thread.join(5)
    assert not thread.is_alive()


def test_at_a_fast_clock_every_cycle_is_taken_at_its_own_time() -> None:
    published: list[Mapping[str, Any]] = []
    run_until(monitor(Table({0x36: 500}), {0x36: 1}, published, catch_up=True), published, 500, speed=50_000)
    assert [row["ROWTIME"] for row in published[:500]] == [START_MS + n * 30_000 for n in range(500)]


def test_a_real_sensor_is_not_read_for_times_that_are_gone() -> None:
    published: list[Mapping[str, Any]] = []
    run_until(monitor(Table({0x36: 500}), {0x36: 1}, published), published, 3, speed=50_000)
    times = [row["ROWTIME"] for row in published]
    assert all((time - START_MS) % 30_000 == 0 for time in times)
    assert all(later - earlier > 30_000 for earlier, later in itertools.pairwise(times[1:])), "those in between are left out"


def test_the_simulator_as_driver() -> None:
    config = load()
    mapping = {int(plant.sensor, 16): plant.id for plant in config.plants}
    rows = monitor(Simulator(config, seed=1, start_ms=START_MS), mapping, []).cycle(START_MS)
    for row, plant in zip(rows, config.plants, strict=True):
        assert row["id"] == str(plant.id)
        assert row["moisture"] == pytest.approx(config.pots[plant.id].moisture, abs=3)


# ---------------------------------------------------------------------------------- Adafruit's library on a made-up bus


class FakeBus:
    """Answers as seesaw chips do on I2C: a write names a register, a read gives its bytes. `touches`: address -> moisture."""

    def __init__(self, touches: dict[int, int]) -> None:
        self.touches = touches
        self._registers: dict[int, tuple[int, int]] = {}

    def try_lock(self) -> bool:
        return True

    def unlock(self) -> None:
        pass

    def writeto(self, address: int, buffer: bytes, *, start: int = 0, end: int | None = None) -> None:
        self._present(address)
        data = bytes(buffer[start : len(buffer) if end is None else end])
        if len(data) >= 2:
            self._registers[address] = (data[0], data[1])

    def readfrom_into(self, address: int, buffer: bytearray, *, start: int = 0, end: int | None = None) -> None:
        self._present(address)
        end = len(buffer) if end is None else end
        answers = {
            (0x00, 0x01): b"\x55",  # hardware id: SAMD09
            (0x00, 0x02): struct.pack(">I", 4026 << 16),  # version: the soil sensor's product number
            (0x00, 0x04): struct.pack(">I", int(21.5 * 65536)),  # temperature, degrees in 16.16 fixed point
            (0x0F, 0x10): struct.pack(">H", self.touches[address]),  # touch
        }
        answer = answers[self._registers[address]]
        buffer[start:end] = answer[: end - start]

    def writeto_then_readfrom(self, address: int, out: bytes, into: bytearray, **_: Any) -> None:
        self.writeto(address, out)
        self.readfrom_into(address, into)

    def _present(self, address: int) -> None:
        if address not in self.touches:
            raise OSError(121, "Remote I/O error")


@pytest.mark.needs("module:adafruit_seesaw")
def test_adafruits_library_reads_all_four_addresses() -> None:
    driver = SeesawDriver(FakeBus({address: 400 + number for number, address in enumerate(ADDRESSES)}))
    for number, address in enumerate(ADDRESSES):
        reading = driver.read(address, START_MS)
        assert reading.touch == 400 + number
        assert reading.temperature == pytest.approx(21.5, abs=0.01)


@pytest.mark.needs("module:adafruit_seesaw")
def test_a_sensor_that_is_pulled_out_and_put_back() -> None:
    bus = FakeBus({0x36: 700})
    driver = SeesawDriver(bus)
    assert driver.read(0x36, START_MS).touch == 700
    bus.touches.clear()
    with pytest.raises(SensorError, match="sensor at 0x36 does not answer"):
        driver.read(0x36, START_MS)
    bus.touches[0x36] = 710
    assert driver.read(0x36, START_MS).touch == 710


@pytest.mark.needs("module:adafruit_seesaw")
def test_no_bus_says_what_to_do() -> None:
    """On a machine that is no board the library finds no bus; the error names the mend."""
    with pytest.raises(SensorError, match="driver = 'simulator'"):
        SeesawDriver()
