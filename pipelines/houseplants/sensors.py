"""The soil sensors: what a driver is, and the driver for real ones.

The real ones are Adafruit's STEMMA soil sensors ("seesaw"), read over I2C by Adafruit's own library. They stand at the addresses 0x36 to 0x39, two
jumpers on the board choose which.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from penstock.errors import Error

ADDRESSES = (0x36, 0x37, 0x38, 0x39)


class SensorError(Error):
    """A sensor is not there or does not answer."""


@dataclass(frozen=True, slots=True)
class RawReading:
    """`touch`: the capacitance as the sensor counts it, 0 to 4095. `temperature`: degrees C."""

    touch: int
    temperature: float


class Driver(Protocol):
    """Reads sensors by their I2C address."""

    def read(self, address: int, now_ms: int) -> RawReading:
        """One reading, at `now_ms` (which only a simulated driver needs). Raises SensorError."""
        ...


class SeesawDriver:
    """Adafruit's sensors on an I2C bus; without `bus` the board's own. A sensor is set up on its first reading, and again after it failed."""

    def __init__(self, bus: Any = None) -> None:
        self._bus = bus if bus is not None else _board_bus()
        self._sensors: dict[int, Any] = {}

    def read(self, address: int, now_ms: int) -> RawReading:
        """One reading of the sensor at `address`; takes some 20 ms, the first one half a second."""
        from adafruit_seesaw.seesaw import Seesaw

        try:
            sensor = self._sensors.get(address) or Seesaw(self._bus, addr=address)
            self._sensors[address] = sensor
            return RawReading(sensor.moisture_read(), sensor.get_temp())
        except (OSError, RuntimeError, ValueError) as error:
            self._sensors.pop(address, None)
            raise SensorError(f"The sensor at {address:#x} does not answer: {error}.", mend="Check its cable and its address jumpers.") from error


def _board_bus() -> Any:
    """The I2C bus of the board this runs on."""
    try:
        import board

        return board.I2C()
    except (ImportError, AttributeError, NotImplementedError, OSError, RuntimeError, ValueError) as error:
        raise SensorError(
            f"This machine has no I2C bus that Adafruit's library knows ({error}).",
            mend="On a Raspberry Pi: pip install 'penstock[sensors]', and enable I2C by raspi-config. "
            "Elsewhere set driver = 'simulator' in config.toml.",
        ) from error
