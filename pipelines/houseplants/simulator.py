"""Simulated plants: soil that dries faster when it is warm and wet, owners who water and forget, sensors that are noisy.

The simulation moves in fixed steps, so that a seed gives the same readings at any speed.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping

from .config import Config, Pot
from .sensors import RawReading, SensorError

STEP_S = 30
WATER_SHARE = 0.35
"""The share of a pot's volume that full soil holds as water."""
SOAKING_S = 1200
"""How long poured water takes to reach the sensor."""
SOIL_LAG_S = 3 * 3600
TOUCH_NOISE = 3.0
TEMPERATURE_NOISE_C = 0.12
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
WARMEST_HOUR = 15


class _Soil:
    """The soil of one pot, at one moment."""

    def __init__(self, pot: Pot, start_ms: int, random_: random.Random, temperature_c: float) -> None:
        self.pot = pot
        self.moisture = pot.moisture
        self.temperature_c = temperature_c
        self.soaking_ml = 0.0
        self.next_watering_ms = start_ms + int(pot.water_every_h * HOUR_MS * random_.uniform(0.4, 1.0))

    @property
    def capacity_ml(self) -> float:
        return self.pot.litres * 1000 * WATER_SHARE

    def step(self, now_ms: int, air_c: float, random_: random.Random) -> None:
        """Live through STEP_S seconds."""
        self.temperature_c += (air_c - self.temperature_c) * STEP_S / SOIL_LAG_S
        warmth = 2 ** ((self.temperature_c - 20) / 10)
        lost_ml = self.pot.drying_ml_h * warmth * (self.moisture / 100) * STEP_S / 3600
        if now_ms >= self.next_watering_ms:
            self.next_watering_ms += int(self.pot.water_every_h * HOUR_MS * random_.uniform(0.9, 1.1))
            if random_.random() >= self.pot.forgets:
                self.soaking_ml += self.pot.water_ml * random_.uniform(0.85, 1.15)
        soaked_ml = min(self.soaking_ml, self.pot.water_ml * STEP_S / SOAKING_S)
        self.soaking_ml -= soaked_ml
        self.moisture = max(0.0, min(100.0, self.moisture + (soaked_ml - lost_ml) / self.capacity_ml * 100))


class Simulator:
    """The plants of a configuration from `start_ms` on, as a driver of the monitor. Each has its own random numbers, from `seed` and its id.
    `moisture` (plant -> per cent) is where to begin instead of the configuration's."""

    def __init__(self, config: Config, *, seed: int, start_ms: int, moisture: Mapping[int, float] | None = None) -> None:
        self._config = config
        self._now_ms = start_ms
        self._random = {plant.id: random.Random(f"{seed}/{plant.id}") for plant in config.plants}  # noqa: S311 - not for secrets
        self._soil = {
            plant.id: _Soil(config.pots[plant.id], start_ms, self._random[plant.id], self.air_c(start_ms)) for plant in config.plants
        }
        for plant_id, percent in (moisture or {}).items():
            if plant_id in self._soil:
                self._soil[plant_id].moisture = percent
        # A sensor stays in the pot that it was put in, whatever the mapping says.
        self._pots = {int(plant.sensor, 16): plant.id for plant in config.plants}

    def read(self, address: int, now_ms: int) -> RawReading:
        """The sensor's raw value and temperature at `now_ms`, which never runs backwards."""
        plant = self._pots.get(address)
        if plant is None:
            raise SensorError(f"There is no simulated sensor at {address:#x}.")
        self._advance(now_ms)
        soil, random_ = self._soil[plant], self._random[plant]
        touch = round(self._config.calibration.touch(soil.moisture) + random_.gauss(0, TOUCH_NOISE))
        return RawReading(max(0, min(4095, touch)), soil.temperature_c + random_.gauss(0, TEMPERATURE_NOISE_C))

    def air_c(self, now_ms: int) -> float:
        """The room's temperature: coolest at three in the night, warmest at three in the afternoon, UTC."""
        middle, swing = (self._config.day_c + self._config.night_c) / 2, (self._config.day_c - self._config.night_c) / 2
        return middle + swing * math.cos((now_ms % DAY_MS / HOUR_MS - WARMEST_HOUR) * math.tau / 24)

    def moisture(self) -> Mapping[int, float]:
        """The true moisture of each plant's soil now, in per cent."""
        return {plant: soil.moisture for plant, soil in self._soil.items()}

    def _advance(self, now_ms: int) -> None:
        while self._now_ms + STEP_S * 1000 <= now_ms:
            self._now_ms += STEP_S * 1000
            air_c = self.air_c(self._now_ms)
            for plant, soil in self._soil.items():
                soil.step(self._now_ms, air_c, self._random[plant])
