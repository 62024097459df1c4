"""A database with a little of everything for bots to talk about."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence

import penstock
from penstock.bots import Bot, Field, Form, Message, Reply, chat_id

PLANT = {
    "type": "record",
    "name": "houseplant",
    "fields": [
        {"name": "plant_id", "type": "int", "doc": "Unique plant identification number."},
        {"name": "given_name", "type": "string", "doc": "The given name of the plant."},
        {"name": "moisture_low", "type": "float", "doc": "Lowest moisture of the plant.", "default": 25.0},
        {"name": "note", "type": ["null", "string"], "default": None},
        {"name": "place", "type": "string"},
        {"name": "owner", "type": "string"},
    ],
}
STATEMENTS = """
CREATE TABLE plants (id STRING PRIMARY KEY) WITH (kafka_topic='plants', value_format='AVRO', partitions=2);
CREATE TABLE places (name STRING PRIMARY KEY, label STRING, open BOOLEAN) WITH (kafka_topic='places', value_format='JSON', partitions=1);
"""

FORM = Form(
    "update_plant",
    "Tell me of a plant",
    into="plants",
    fields={
        "moisture_low": Field(minimum=0, maximum=100),
        "place": Field(prompt="Where does {GIVEN_NAME} stand?", choices_from="SELECT name, label FROM places WHERE open = true ORDER BY label DESC;"),
    },
    given={"id": lambda a: str(a["plant_id"]), "owner": chat_id},
    current="SELECT given_name, moisture_low, note FROM plants WHERE id = CAST(:plant_id AS STRING);",
    done="{given_name} is known now.",
)


def prepare(db: penstock.Database) -> None:
    """The schema, the sources and some places."""
    db.schemas.register("plants-value", penstock.Schema(json.dumps(PLANT)))
    db.execute(STATEMENTS)
    rows = [{"name": "kitchen", "label": "The kitchen", "open": True}, {"name": "hall", "label": "The hall", "open": True}]
    db.insert("places", [*rows, {"name": "attic", "label": "The attic", "open": False}])


def say(bot: Bot, *texts: str, chat: int = 1) -> list[Reply]:
    """Say texts one after the other; the answers to the last."""
    replies: Sequence[Reply] = ()
    for text in texts:
        replies = bot.answer(Message(chat, text))
    return list(replies)


def told(bot: Bot, *texts: str, chat: int = 1) -> str:
    """The texts of the answers to the last of the texts."""
    return "\n".join(reply.text for reply in say(bot, *texts, chat=chat))


def wait_until(met: Callable[[], object], timeout_s: float = 30) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + timeout_s
    pause = threading.Event()
    while not met():
        assert time.monotonic() < deadline, "it did not come to pass"
        pause.wait(0.01)
