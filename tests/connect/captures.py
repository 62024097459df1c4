"""What the tests of both captures share: a database, a driver on it, and what is said in the dialect of each."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.connect.databases import Server
from tests.connect.source_driver import Driver

from penstock.sql import types

Cases = Mapping[str, tuple[str, Any, types.SqlType, Any, types.SqlType]]
"""Type -> text, value and type by default, value and type where times are `connect` and decimals `double`."""


@dataclass
class Captured:
    """A fresh database and the captures of it."""

    server: Server
    class_name: str
    schema: str
    own: Mapping[str, str]
    drivers: list[Driver] = field(default_factory=list)

    def capture(self, **options: str) -> Driver:
        """A driver of the source; keyword arguments are options, with `_` for the dot."""
        given = {
            "database.hostname": "127.0.0.1", "database.port": str(self.server.port), "database.user": self.server.user,
            "database.password": self.server.password, "topic.prefix": "asgard", **self.own,
        }  # fmt: skip
        self.drivers.append(Driver(self.class_name, given | {name.replace("_", "."): text for name, text in options.items()}))
        return self.drivers[-1]

    def slot(self) -> dict[str, str]:
        """The options of a capture beside another."""
        return {}

    def topic(self, table: str) -> str:
        """The topic of a table."""
        return f"asgard.{self.schema}.{table}"

    def numbers(self, count: int) -> str:
        """A query of the numbers from 1 on."""
        raise NotImplementedError

    def close(self) -> None:
        """Close the captures."""
        for driver in self.drivers:
            driver.close()


class PostgresCaptured(Captured):
    """On PostgreSQL."""

    def __init__(self, server: Server) -> None:
        own = {"database.dbname": server.database, "slot.name": f"slot_{uuid.uuid4().hex[:10]}"}
        super().__init__(server, "io.debezium.connector.postgresql.PostgresConnector", "public", own)

    def slot(self) -> dict[str, str]:
        """A slot of its own."""
        return {"slot_name": f"slot_{uuid.uuid4().hex[:10]}"}

    def numbers(self, count: int) -> str:
        """A query of the numbers from 1 on."""
        return f"SELECT i FROM generate_series(1, {count}) i"

    def close(self) -> None:
        """Close the captures and drop their slots."""
        super().close()
        self.server.drop_slots()


class MariaDbCaptured(Captured):
    """On MariaDB."""

    def __init__(self, server: Server) -> None:
        own = {"database.include.list": server.database, "database.history.kafka.topic": "ignored"}
        super().__init__(server, "io.debezium.connector.mysql.MySqlConnector", server.database, own)

    def numbers(self, count: int) -> str:
        """A query of the numbers from 1 on."""
        return f"SELECT seq FROM seq_1_to_{count}"


def streaming(driver: Driver) -> Driver:
    """Go on until the snapshot is over. The poll that opens the stream does not wait for what comes by it, which may be the server's beat of 15 s."""
    driver.until(lambda: driver.source._stream is not None or driver.wake())  # type: ignore[attr-defined, func-returns-value]
    return driver


def check_types(driver: Driver, cases: Cases, *, connect: bool) -> None:
    """The first three records are a row with the cases' values from the snapshot, one from the log, and one without values."""
    at = 3 if connect else 1
    read, logged, empty = [*driver.records, *driver.take(3 - len(driver.records))]
    assert isinstance(read.value_schema, types.Struct)
    assert read.value_schema == logged.value_schema
    row = read.value_schema.field("after")
    assert row is not None
    assert isinstance(row.type, types.Struct)
    for i, (name, case) in enumerate(cases.items()):
        assert (name, read.value["after"][f"c{i}"], row.type.fields[i + 1].type) == (name, case[at], case[at + 1])
        assert (name, logged.value["after"][f"c{i}"]) == (name, case[at])
    assert set(empty.value["after"].values()) == {3, None}
