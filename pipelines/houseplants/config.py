"""config.toml as typed values."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from penstock.errors import ConfigError

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Calibration:
    """A sensor's raw values in dry air and in water."""

    dry: int
    wet: int

    def percent(self, touch: float) -> float:
        """The moisture in per cent, clipped to 0..100."""
        return max(0.0, min(100.0, (touch - self.dry) / (self.wet - self.dry) * 100))

    def touch(self, percent: float) -> float:
        """The raw value of a moisture."""
        return self.dry + (self.wet - self.dry) * percent / 100


@dataclass(frozen=True)
class Plant:
    """A plant: what the metadata topic says of it, and the sensor in its pot on the first start. Moisture in per cent, temperatures in degrees C."""

    id: int
    sensor: str
    given_name: str
    common_name: str
    scientific_name: str
    temperature_low: float
    temperature_high: float
    moisture_low: float
    moisture_high: float

    def metadata(self) -> dict[str, Any]:
        """The row of the table houseplant_metadata."""
        return {
            "id": str(self.id),
            "plant_id": self.id,
            "scientific_name": self.scientific_name,
            "common_name": self.common_name,
            "given_name": self.given_name,
            "temperature_low": self.temperature_low,
            "temperature_high": self.temperature_high,
            "moisture_low": self.moisture_low,
            "moisture_high": self.moisture_high,
        }

    def mapping(self) -> dict[str, Any]:
        """The row of the stream sensor_mapping."""
        return {"id": self.sensor, "sensor_id": self.sensor, "plant_id": self.id}


@dataclass(frozen=True)
class Pot:
    """A simulated pot: its volume, the water that leaves it in an hour at 20 degrees C when full, and its owner's habits."""

    litres: float
    drying_ml_h: float
    moisture: float
    water_every_h: float
    water_ml: float
    forgets: float


@dataclass(frozen=True)
class Config:
    """All of config.toml. `night_c` and `day_c` are the simulated room's lowest and highest temperature."""

    driver: str
    interval_s: int
    calibration: Calibration
    alerts_to: str
    plants: tuple[Plant, ...]
    pots: Mapping[int, Pot]
    night_c: float
    day_c: float


def load(path: Path = FOLDER / "config.toml") -> Config:
    """Read a configuration. Raises ConfigError that names the file and what is wrong in it."""
    try:
        with path.open("rb") as file:
            text = tomllib.load(file)
        config = Config(
            driver=text["monitor"]["driver"],
            interval_s=text["monitor"]["interval_s"],
            calibration=Calibration(**text["calibration"]),
            alerts_to=text["alerts"]["to"],
            plants=tuple(_plant(p) for p in text["plants"]),
            pots={int(number): Pot(**pot) for number, pot in text["simulator"]["pots"].items()},
            night_c=text["simulator"]["temperature_c"][0],
            day_c=text["simulator"]["temperature_c"][1],
        )
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError, IndexError) as error:
        raise ConfigError(f"{path}: {type(error).__name__} {error}.", mend="Compare it with the one that comes with Penstock.") from error
    _check(config, path)
    return config


def _plant(text: Mapping[str, Any]) -> Plant:
    return Plant(
        id=text["id"],
        sensor=text["sensor"].lower(),
        given_name=text["given_name"],
        common_name=text["common_name"],
        scientific_name=text["scientific_name"],
        temperature_low=text["temperature_c"][0],
        temperature_high=text["temperature_c"][1],
        moisture_low=text["moisture"][0],
        moisture_high=text["moisture"][1],
    )


def _check(config: Config, path: Path) -> None:
    if config.driver not in ("simulator", "seesaw"):
        raise ConfigError(f"{path}: driver is 'simulator' or 'seesaw', not '{config.driver}'.")
    if config.alerts_to not in ("auto", "telegram", "webhook", "terminal"):
        raise ConfigError(f"{path}: alerts go to 'auto', 'telegram', 'webhook' or 'terminal', not '{config.alerts_to}'.")
    if config.interval_s < 1:
        raise ConfigError(f"{path}: interval_s is at least 1, not {config.interval_s}.")
    if config.calibration.dry >= config.calibration.wet:
        raise ConfigError(f"{path}: a sensor reads more in water than in air; dry is {config.calibration.dry}, wet {config.calibration.wet}.")
    for plant in config.plants:
        if not re.fullmatch(r"0x[0-7][0-9a-f]", plant.sensor):
            raise ConfigError(f"{path}: the sensor '{plant.sensor}' of plant {plant.id} is no address such as 0x36.")
        if config.driver == "simulator" and plant.id not in config.pots:
            raise ConfigError(f"{path}: plant {plant.id} has no [simulator.pots.{plant.id}].")
