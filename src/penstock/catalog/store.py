"""What exists, kept in a compacted topic: one record a thing, under its kind and name. Opening a folder reads it back."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from penstock.catalog.model import Connector, CustomType, DataSource, PersistentQuery, SystemProperty
from penstock.log.names import COMMANDS_TOPIC
from penstock.log.protocol import Append, Log, TopicConfig
from penstock.log.records import records
from penstock.plan.serial import from_json, to_json

if TYPE_CHECKING:
    from penstock.sql.types import SqlType

Thing = DataSource | PersistentQuery | CustomType | Connector | SystemProperty


class Catalog:
    """The sources, queries, custom types, connectors and settings. Every change is durable before it is seen."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._things: dict[str, Thing] = {}
        self.counter = 0
        """The highest number that a query here ever had."""
        if log.topic(COMMANDS_TOPIC) is None:
            log.create_topic(COMMANDS_TOPIC, 1, TopicConfig(cleanup=frozenset({"compact"}), retention_ms=None))
        self.refresh()

    def refresh(self) -> None:
        """Read the whole topic again (a reader does so to see what another process has changed)."""
        things: dict[str, Thing] = {}
        offset = self._log.start_offset(COMMANDS_TOPIC, 0)
        while (batch := self._log.read(COMMANDS_TOPIC, 0, offset)).num_rows:
            for key, value in zip(batch["key"].to_pylist(), batch["value"].to_pylist(), strict=True):
                self._count(key.decode())
                things.pop(key.decode(), None)  # a thing made anew comes after what it depends on
                if value is not None:
                    things[key.decode()] = from_json(value.decode())
            offset = batch["offset"][-1].as_py() + 1
        self._things = things

    def _count(self, key: str) -> None:
        if key.startswith("query/"):
            self.counter = max(self.counter, int(key.rpartition("_")[2]))

    # ------------------------------------------------------------------------------------------ reading

    def _of(self, kind: type) -> list[Any]:
        things = list(self._things.values())  # at once: another thread may be changing them
        return [thing for thing in things if isinstance(thing, kind)]

    def source(self, name: str) -> DataSource | None:
        """The stream or table of a name."""
        return self._things.get(f"source/{name}")  # type: ignore[return-value]

    def sources(self) -> list[DataSource]:
        """All streams and tables, oldest first."""
        return self._of(DataSource)

    def query(self, query_id: str) -> PersistentQuery | None:
        """The persistent query of an id."""
        return self._things.get(f"query/{query_id}")  # type: ignore[return-value]

    def queries(self) -> list[PersistentQuery]:
        """All persistent queries, each after those whose sources it reads."""
        return self._of(PersistentQuery)

    def type(self, name: str) -> SqlType | None:
        """What a custom type stands for."""
        found = self._things.get(f"type/{name}")
        return found.type if isinstance(found, CustomType) else None

    def types(self) -> list[CustomType]:
        """All custom types, oldest first."""
        return self._of(CustomType)

    def connector(self, name: str) -> Connector | None:
        """The connector of a name."""
        return self._things.get(f"connector/{name}")  # type: ignore[return-value]

    def connectors(self) -> list[Connector]:
        """All connectors, oldest first."""
        return self._of(Connector)

    def properties(self) -> dict[str, str]:
        """The settings that ALTER SYSTEM has made, by name."""
        return {found.name: found.value for found in self._of(SystemProperty)}

    # ------------------------------------------------------------------------------------------ changing

    def put(self, *things: Thing) -> None:
        """Make things known, or replace those of the same kind and name; all in one durable step."""
        self._write({key_of(thing): thing for thing in things})

    def drop(self, *things: Thing) -> None:
        """Forget things, all in one durable step; what is not there is no error."""
        self._write({key_of(thing): None for thing in things})

    def _write(self, changes: dict[str, Thing | None]) -> None:
        now = int(time.time() * 1000)
        keys = [key.encode() for key in changes]
        values = [None if thing is None else to_json(thing).encode() for thing in changes.values()]
        self._log.append(Append(COMMANDS_TOPIC, 0, records([(now, key, value) for key, value in zip(keys, values, strict=True)])))
        for key, thing in changes.items():
            self._count(key)
            if thing is None:
                self._things.pop(key, None)
            else:
                if not (isinstance(thing, DataSource | PersistentQuery) and key in self._things):
                    self._things.pop(key, None)
                self._things[key] = thing


def key_of(thing: Thing) -> str:
    """The record key of a thing."""
    match thing:
        case DataSource(name=name):
            return f"source/{name}"
        case PersistentQuery(id=name):
            return f"query/{name}"
        case CustomType(name=name):
            return f"type/{name}"
        case Connector(name=name):
            return f"connector/{name}"
        case SystemProperty(name=name):
            return f"property/{name}"
