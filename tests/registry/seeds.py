"""The schemas of the houseplant talk."""

from __future__ import annotations

import json
from typing import Any


def record(name: str, *fields: tuple[str, Any], **defaults: Any) -> str:
    """An Avro record; a field named in `defaults` has that default."""
    listed = [{"name": n, "type": t} | ({"default": defaults[n]} if n in defaults else {}) for n, t in fields]
    return json.dumps({"type": "record", "name": name, "fields": listed})


READING_FIELDS: tuple[tuple[str, Any], ...] = (("plant_id", "int"), ("moisture", "float"), ("temperature", "float"))
PLANT_FIELDS: tuple[tuple[str, Any], ...] = (
    ("plant_id", "int"), ("scientific_name", "string"), ("common_name", "string"), ("given_name", "string"), ("temperature_low", "float"),
    ("temperature_high", "float"), ("moisture_low", "float"), ("moisture_high", "float"))
MAPPING_FIELDS: tuple[tuple[str, Any], ...] = (("sensor_id", "string"), ("plant_id", "int"))
READING, PLANT, MAPPING = record("reading", *READING_FIELDS), record("houseplant", *PLANT_FIELDS), record("mapping", *MAPPING_FIELDS)
