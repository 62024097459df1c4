"""The table demo.customers in its own database: made, filled, changed."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from .people import Person, people
from .server import Address

_COLUMNS = "first_name VARCHAR(50), last_name VARCHAR(50), email VARCHAR(50), gender VARCHAR(50), club_status VARCHAR(20), comments VARCHAR(90)"
_MAKE = {
    "postgres": ("CREATE SCHEMA IF NOT EXISTS demo", f"CREATE TABLE IF NOT EXISTS demo.customers (id INT PRIMARY KEY, {_COLUMNS})"),
    "mysql": ("CREATE DATABASE IF NOT EXISTS demo", f"CREATE TABLE IF NOT EXISTS demo.customers (id INT PRIMARY KEY, {_COLUMNS})"),
    # SQLite is asked for what changed, so that each row says when it did.
    "sqlite": (f"CREATE TABLE IF NOT EXISTS customers (id INTEGER PRIMARY KEY, {_COLUMNS}, update_ts TIMESTAMP NOT NULL)",),
}
_NOW = "strftime('%Y-%m-%d %H:%M:%f', 'now')"


class CustomersTable:
    """The table, over a connection of its own."""

    def __init__(self, address: Address) -> None:
        self._sqlite = address.kind == "sqlite"
        self._connection = _connect(address)
        for statement in _MAKE[address.kind]:
            self.run(statement)
        self._name = "customers" if self._sqlite else "demo.customers"

    def fill(self) -> None:
        """Put the customers in, where there are none."""
        if not self.rows():
            for person in people():
                self.add(person)

    def add(self, person: Person) -> None:
        """Put a customer in."""
        names = "id, first_name, last_name, email, gender, club_status" + (", update_ts" if self._sqlite else "")
        values = (person.id, person.first_name, person.last_name, person.email, person.gender, person.club_status)
        self.run(f"INSERT INTO {self._name} ({names}) VALUES (%s, %s, %s, %s, %s, %s{f', {_NOW}' if self._sqlite else ''})", values)  # noqa: S608

    def move(self, customer: int, club: str) -> None:
        """Let a customer join another club."""
        when = f", update_ts = {_NOW}" if self._sqlite else ""
        self.run(f"UPDATE {self._name} SET club_status = %s{when} WHERE id = %s", (club, customer))  # noqa: S608

    def rows(self) -> list[tuple[int, str]]:
        """(id, club) of each customer."""
        return [(row[0], row[1]) for row in self.run(f"SELECT id, club_status FROM {self._name} ORDER BY id")]  # noqa: S608

    def run(self, statement: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Run a statement in a transaction of its own."""
        cursor = self._connection.cursor()
        cursor.execute(statement.replace("%s", "?") if self._sqlite else statement, tuple(values))
        rows = list(cursor.fetchall()) if cursor.description else []
        cursor.close()
        return rows

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _connect(address: Address) -> Any:
    if address.kind == "postgres":
        import psycopg

        return psycopg.connect(
            host=address.host, port=address.port, user=address.user, password=address.password, dbname=address.database, autocommit=True
        )
    if address.kind == "mysql":
        import pymysql

        return pymysql.connect(host=address.host, port=address.port, user=address.user, password=address.password, autocommit=True, charset="utf8mb4")
    return sqlite3.connect(address.database, isolation_level=None, check_same_thread=False, timeout=30)
