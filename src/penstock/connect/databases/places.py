"""How far a sink has written, kept in the target itself, in the same transaction as the rows: so that none is written twice.

The runtime commits its own place after each delivery. A crash in between brings the same records again, beginning with the first of the last
delivery. By that first record, its offset and a fingerprint of its bytes, a delivery that comes again is known, and told apart from a topic that was
deleted and made anew.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from penstock.connect.records import Record

if TYPE_CHECKING:
    import sqlalchemy

_logger = logging.getLogger("penstock.connect")


class Places:
    """The places of one connector, in the table `name`."""

    def __init__(self, name: str, connector: str) -> None:
        import sqlalchemy as sa

        self._connector = connector[:200]
        self._table = sa.Table(
            name,
            sa.MetaData(),
            sa.Column("connector", sa.String(200), primary_key=True),
            sa.Column("topic", sa.String(249), primary_key=True),
            sa.Column("topic_partition", sa.Integer, primary_key=True, autoincrement=False),
            sa.Column("first_offset", sa.BigInteger, nullable=False),
            sa.Column("fingerprint", sa.String(64), nullable=False),
            sa.Column("next_offset", sa.BigInteger, nullable=False),
        )
        self._began: set[tuple[str, int]] = set()  # places whose first delivery since the start was looked at

    def create(self, engine: sqlalchemy.Engine) -> bool:
        """Make the table where there is none; whether there is one now. Who may not make it delivers at least once, and is told."""
        import sqlalchemy

        try:
            with engine.begin() as connection:
                self._table.create(connection, checkfirst=True)
        except sqlalchemy.exc.DBAPIError as error:
            if not error.connection_invalidated and sqlalchemy.inspect(engine).has_table(self._table.name):
                return True  # another sink, which began at the same moment, was quicker
            if error.connection_invalidated or isinstance(error, sqlalchemy.exc.OperationalError):
                raise
            _logger.warning("the table %s cannot be made; rows may be written twice after a crash: %s", self._table.name, error.orig)
            return False
        return True

    def new(self, connection: sqlalchemy.Connection, records: Sequence[Record]) -> Sequence[Record]:
        """Those of the records, all of one partition, that are not written yet. Only the first delivery after a start can hold others."""
        place = (records[0].stands_in, records[0].partition)
        if place in self._began:
            return records
        found = connection.execute(self._table.select().where(*self._of(place))).one_or_none()
        if found is None or found.first_offset != records[0].offset or found.fingerprint != fingerprint(records[0]):
            return records
        return [record for record in records if record.offset >= found.next_offset]

    def note(self, connection: sqlalchemy.Connection, records: Sequence[Record]) -> None:
        """The records are written, within the transaction of `connection`."""
        place = (records[0].stands_in, records[0].partition)
        values = {"first_offset": records[0].offset, "fingerprint": fingerprint(records[0]), "next_offset": records[-1].offset + 1}
        changed = connection.execute(self._table.update().where(*self._of(place)).values(values))
        if changed.rowcount == 0:
            names = {"connector": self._connector, "topic": place[0], "topic_partition": place[1]}
            connection.execute(self._table.insert().values(names | values))

    def passed(self, records: Sequence[Record]) -> None:
        """The transaction is committed: from here on deliveries are new."""
        self._began.add((records[0].stands_in, records[0].partition))

    def remove(self, engine: sqlalchemy.Engine, wait_s: int) -> None:
        """Forget every place of the connector, which writes no more. A row that somebody else has locked is waited for, at most `wait_s` seconds."""
        import sqlalchemy

        wait = {"postgresql": f"SET LOCAL lock_timeout = '{wait_s}s'", "mysql": f"SET innodb_lock_wait_timeout = {wait_s}"}
        wait["mariadb"] = wait["mysql"]
        with engine.begin() as connection:
            if sqlalchemy.inspect(connection).has_table(self._table.name):
                if engine.dialect.name in wait:
                    connection.execute(sqlalchemy.text(wait[engine.dialect.name]))
                connection.execute(self._removal())

    def removal(self) -> str:
        """The statement that does so by hand."""
        return " ".join(str(self._removal().compile(compile_kwargs={"literal_binds": True})).split()) + ";"

    def _removal(self) -> sqlalchemy.Delete:
        return self._table.delete().where(self._table.c.connector == self._connector)

    def _of(self, place: tuple[str, int]) -> list[Any]:
        columns = self._table.c
        return [columns.connector == self._connector, columns.topic == place[0], columns.topic_partition == place[1]]


def fingerprint(record: Record) -> str:
    """A digest of the record's bytes and time."""
    digest = hashlib.sha256(str(record.timestamp).encode())
    for part in (record.key, record.value):
        digest.update(b"\0" if part is None else b"\1" + len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()
