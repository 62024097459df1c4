"""The simulated plants behave as plants do, and as the seed says."""

from __future__ import annotations

import statistics
from dataclasses import replace

import pytest
from pipelines.houseplants import config as configuration
from pipelines.houseplants.sensors import SensorError
from pipelines.houseplants.simulator import DAY_MS, HOUR_MS, TOUCH_NOISE, Simulator

from penstock.errors import ConfigError

START_MS = 20_000 * DAY_MS
CONFIG = configuration.load()
STEP_MS = 30_000


def moistures(simulator: Simulator, address: int, hours: float) -> list[float]:
    """The moisture that the sensor says every 30 seconds, in per cent."""
    readings = [simulator.read(address, START_MS + step * STEP_MS) for step in range(int(hours * 120))]
    return [CONFIG.calibration.percent(r.touch) for r in readings]


def never_watered(**pot: float) -> configuration.Config:
    return replace(CONFIG, pots={number: replace(p, forgets=1.0, **pot) for number, p in CONFIG.pots.items()})


def test_a_seed_gives_the_same_readings_at_any_speed() -> None:
    """Read every 30 s or after a long wait: the plants have lived the same life."""
    slow, again, other = (Simulator(CONFIG, seed=seed, start_ms=START_MS) for seed in (1, 1, 2))
    first = moistures(slow, 0x36, 12)
    assert first == moistures(again, 0x36, 12)
    assert first != moistures(other, 0x36, 12)
    leap = Simulator(never_watered(), seed=1, start_ms=START_MS)
    steps = Simulator(never_watered(), seed=1, start_ms=START_MS)
    moistures(steps, 0x36, 24)
    leap.read(0x36, START_MS + DAY_MS - STEP_MS)
    assert leap.moisture() == pytest.approx(steps.moisture())


def test_an_unwatered_plant_dries_as_its_pot_says() -> None:
    """Water leaves in proportion to what there is: the moisture falls by half in ln 2 * capacity / rate hours, at 20 degrees."""
    config = replace(never_watered(moisture=80), night_c=20, day_c=20)
    pot = config.pots[1]
    half_life_h = 0.693 * pot.litres * 350 / pot.drying_ml_h
    simulator = Simulator(config, seed=3, start_ms=START_MS)
    values = moistures(simulator, 0x36, half_life_h)
    assert statistics.mean(values[-60:]) == pytest.approx(40, rel=0.03)


def test_warmth_dries() -> None:
    cold, warm = (Simulator(replace(never_watered(), night_c=t, day_c=t), seed=1, start_ms=START_MS) for t in (15, 30))
    for simulator in (cold, warm):
        simulator.read(0x36, START_MS + DAY_MS)
    assert warm.moisture()[1] < cold.moisture()[1] - 5


def test_water_comes_when_due_and_is_sometimes_forgotten() -> None:
    """Over 200 days of daily watering at a forgetfulness of 0.2, plants are watered on about 160 days, and the soil soaks it in slowly."""
    config = replace(CONFIG, pots={n: replace(p, water_every_h=24, forgets=0.2) for n, p in CONFIG.pots.items()})
    simulator = Simulator(config, seed=5, start_ms=START_MS)
    hourly = []
    for hour in range(200 * 24):
        simulator.read(0x38, START_MS + hour * HOUR_MS)
        hourly.append(simulator.moisture()[3])
    rises = [hour for hour in range(1, len(hourly)) if hourly[hour] > hourly[hour - 1] + 1 and hourly[hour - 1] <= hourly[hour - 2] + 1]
    assert 140 <= len(rises) <= 180
    assert all(0 <= value <= 100 for value in hourly)


def test_the_sensor_is_noisy_as_said() -> None:
    config = replace(never_watered(drying_ml_h=0), night_c=20, day_c=20)
    simulator = Simulator(config, seed=1, start_ms=START_MS)
    readings = [simulator.read(0x37, START_MS + step * STEP_MS) for step in range(4000)]
    touches = [r.touch for r in readings]
    assert statistics.mean(touches) == pytest.approx(CONFIG.calibration.touch(CONFIG.pots[2].moisture), abs=0.3)
    assert statistics.stdev(touches) == pytest.approx(TOUCH_NOISE, rel=0.1)
    assert statistics.mean(r.temperature for r in readings) == pytest.approx(20, abs=0.02)


def test_the_room_is_warm_by_day() -> None:
    simulator = Simulator(CONFIG, seed=1, start_ms=START_MS)
    hours = [simulator.air_c(START_MS + hour * HOUR_MS) for hour in range(24)]
    assert hours.index(max(hours)) == 15
    assert hours.index(min(hours)) == 3
    assert (min(hours), max(hours)) == pytest.approx((CONFIG.night_c, CONFIG.day_c))


def test_it_goes_on_from_given_moisture() -> None:
    simulator = Simulator(CONFIG, seed=1, start_ms=START_MS, moisture={1: 12.5, 99: 1.0})
    assert simulator.moisture()[1] == 12.5
    assert simulator.moisture()[2] == CONFIG.pots[2].moisture


def test_no_sensor_there() -> None:
    with pytest.raises(SensorError, match="no simulated sensor at 0x40"):
        Simulator(CONFIG, seed=1, start_ms=START_MS).read(0x40, START_MS)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('driver = "simulator"', 'driver = "abacus"', "driver is 'simulator' or 'seesaw', not 'abacus'"),
        ('to = "auto"', 'to = "pigeon"', "not 'pigeon'"),
        ("interval_s = 30", "interval_s = 0", "at least 1, not 0"),
        ("dry = 330", "dry = 2000", "more in water than in air"),
        ("[simulator.pots.4]", "[simulator.pots.5]", r"plant 4 has no \[simulator\.pots\.4\]"),
        ("[calibration]", "[calibration", "TOMLDecodeError"),
        ("interval_s = 30", "", "KeyError 'interval_s'"),
        ('sensor = "0x36"', 'sensor = "left"', "is no address such as 0x36"),
    ],
)
def test_a_configuration_with_a_mistake(old: str, new: str, complaint: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    text = (configuration.FOLDER / "config.toml").read_text()
    assert old in text
    path = tmp_path_factory.mktemp("config") / "config.toml"
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigError, match=complaint):
        configuration.load(path)


def test_no_configuration() -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        configuration.load(configuration.FOLDER / "none.toml")
