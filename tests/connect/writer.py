"""Someone who changes the tables `t` (id, n) and `keyless` (n) while they are captured."""

from __future__ import annotations

import random
import threading
from typing import Any

from tests.connect.databases import Server

ROLLED_BACK = 999_999


class Writer(threading.Thread):
    """Inserts, updates and deletes in transactions of several, some of them rolled back, until told to stop."""

    def __init__(self, server: Server, seed: int, *, text_keys: bool = False) -> None:
        super().__init__(daemon=True)
        self._server, self._random, self._text_keys = server, random.Random(seed), text_keys
        self._told = threading.Event()
        self._failure: BaseException | None = None
        self._new = 1000

    def stop(self) -> None:
        """End it, and raise what went wrong."""
        self._told.set()
        self.join()
        if self._failure is not None:
            raise self._failure

    def run(self) -> None:
        """Write until told to stop."""
        import sqlalchemy

        engine = sqlalchemy.create_engine(self._server.url)
        try:
            while not self._told.wait(0.003):
                with engine.begin() as connection:
                    for _ in range(self._random.randint(1, 60 if self._random.random() < 0.05 else 5)):
                        statement, values = self._change()
                        connection.execute(sqlalchemy.text(statement), values)
                if self._random.random() < 0.1:
                    with engine.connect() as connection:
                        connection.execute(sqlalchemy.text("INSERT INTO t (id, n) VALUES (:id, 1)"), {"id": self._id(ROLLED_BACK)})
                        connection.rollback()
        except BaseException as error:  # noqa: BLE001 - raised by stop
            self._failure = error
        engine.dispose()

    def _change(self) -> tuple[str, dict[str, Any]]:
        victim, kind = self._id(self._random.randint(1, 450)), self._random.random()
        if kind < 0.2:
            self._new += 1
            return "INSERT INTO t (id, n) VALUES (:id, 1)", {"id": self._id(self._new)}
        if kind < 0.3:
            self._new += 1
            return "INSERT INTO keyless VALUES (:n)", {"n": self._new}
        if kind < 0.7:
            return "UPDATE t SET n = n + 1 WHERE id = :id", {"id": victim}
        if kind < 0.85:
            return "DELETE FROM t WHERE id = :id", {"id": victim}
        self._new += 1
        return "UPDATE t SET id = :new WHERE id = :id", {"id": victim, "new": self._id(self._new)}

    def _id(self, number: int) -> Any:
        return str(number) if self._text_keys else number
