"""The houseplants' bot: plants and sensors by conversation, what there is to know by command. `penstock bot houseplants` runs it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from penstock.bots import Alert, Argument, Bot, Command, Field, Form, Lines, Lookup, Picture

from .config import Config, load
from .setup import connect_alerts, set_up

if TYPE_CHECKING:
    from penstock import Database

SENSORS = ("0x36", "0x37", "0x38", "0x39")
"""The addresses that Adafruit's soil sensors can have."""

UPDATE_PLANT = Form(
    "update_plant",
    "Tell me of a plant, new or known",
    into="houseplant_metadata",
    fields={
        "plant_id": Field(minimum=1, label="Plant"),
        "temperature_low": Field(default=15, minimum=-20, maximum=60),
        "temperature_high": Field(default=30, minimum=-20, maximum=60),
        "moisture_low": Field(default=25, minimum=0, maximum=100),
        "moisture_high": Field(default=65, minimum=0, maximum=100),
    },
    given={"id": lambda answers: str(answers["plant_id"])},
    current="SELECT * FROM houseplant_metadata WHERE id = CAST(:plant_id AS STRING);",
    done="{given_name} is known now. /update_mapping says which sensor stands in its pot.",
)
UPDATE_MAPPING = Form(
    "update_mapping",
    "Tell me which sensor stands in which pot",
    into="sensor_mapping",
    fields={
        "sensor_id": Field(prompt="Which sensor?", choices=SENSORS, label="Sensor"),
        "plant_id": Field(
            prompt="In whose pot does it stand?",
            choices_from="SELECT plant_id, given_name FROM houseplant_metadata;",
            no_choices="There is no plant yet: /update_plant.",
            label="Plant",
        ),
    },
    given={"id": lambda answers: answers["sensor_id"]},
    done="The sensor {sensor_id} stands there now.",
)
PLANTS = Lookup(
    "plants",
    "The plants that I know",
    "SELECT plant_id, given_name, common_name, moisture_low, moisture_high FROM houseplant_metadata ORDER BY plant_id;",
    "{PLANT_ID}: {GIVEN_NAME} the {COMMON_NAME}, {MOISTURE_LOW} to {MOISTURE_HIGH} per cent",
    none="There is no plant yet: /update_plant.",
)
THIRSTY = Lookup(
    "thirsty",
    "The plants that want more moisture than so many per cent",
    "SELECT given_name FROM houseplant_metadata WHERE moisture_low > :percent;",
    "{GIVEN_NAME}",
    [Argument("percent", "DOUBLE", default=20.0, minimum=0, maximum=100)],
    none="None wants more than {percent} per cent.",
)
MOISTURE = Picture(
    "moisture",
    "The soil of the last two days",
    """SELECT given_name, ts, moisture FROM houseplant_readings_enriched
       WHERE ts > (SELECT max(ts) FROM houseplant_readings_enriched) - 2 * 24 * 3600 * 1000;""",
    Lines("TS", "MOISTURE", "GIVEN_NAME", title="Moisture of the soil", y_label="per cent"),
    none="There is no reading yet.",
)
ALERTS = Alert("alerts", "Tell me when a plant is dry", "{MESSAGE}", source="houseplant_low_readings")


def open_bot(db: Database, config: Config | None = None) -> Bot:
    """The bot on a database, which is set up where it is new."""
    config = config or load()
    set_up(db, config, start_ms=int(time.time() * 1000))
    connect_alerts(db, config)
    commands: list[Command] = [UPDATE_PLANT, UPDATE_MAPPING, PLANTS, THIRSTY, MOISTURE, ALERTS]
    return Bot(db, "houseplants", commands, welcome="Good day! I look after your plants.")
