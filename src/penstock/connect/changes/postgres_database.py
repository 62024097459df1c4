"""What a capture asks of PostgreSQL and arranges there: the publication, the slot, tables and types, consistent reading."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock.connect.changes.debezium import START_ANEW
from penstock.connect.changes.pgoutput import RelationColumn
from penstock.connect.changes.postgres_columns import CatalogType
from penstock.connect.changes.postgres_stream import ReplicationConnection, parsed, quoted
from penstock.connect.contract import RetriableError
from penstock.errors import ConfigError, ConnectorError

if TYPE_CHECKING:
    import psycopg

SESSION = "-c datestyle=ISO -c timezone=UTC -c intervalstyle=postgres -c extra_float_digits=3 -c bytea_output=hex -c statement_timeout=0"
"""Values come as text, from the log and from the snapshot: this is how it is to look."""
ORDERED_TYPES = frozenset({20, 21, 23, 25, 1043, 2950})
"""Keys of these types (numbers, text, UUID) are ordered here as PostgreSQL orders them under the collation C."""
_TEXT_TYPES = (25, 1043)


@dataclass(frozen=True)
class TableColumns:
    """A table as the catalog has it now."""

    oid: int
    schema: str
    name: str
    columns: tuple[RelationColumn, ...]
    keys: tuple[str, ...]

    @property
    def is_ordered(self) -> bool:
        """Whether the table can be read on from a key."""
        types = {column.name: column.type_oid for column in self.columns}
        return bool(self.keys) and all(types[key] in ORDERED_TYPES for key in self.keys)


class PostgresDatabase:
    """An ordinary connection to the database, and the means to open others. Errors of the connection are RetriableErrors."""

    def __init__(self, conninfo: Mapping[str, Any], words: Callable[[str], str]) -> None:
        self._conninfo, self._words = dict(conninfo), words
        self._connection = self.connect()
        self._types: dict[int, CatalogType] = {}

    def connect(self) -> psycopg.Connection[tuple[Any, ...]]:
        """Another connection."""
        import psycopg

        try:
            return psycopg.connect(**self._conninfo, autocommit=True)
        except psycopg.OperationalError as error:
            raise RetriableError(f"The connection to PostgreSQL failed: {self._words(' '.join(str(error).split()))}") from None

    def replication(self) -> ReplicationConnection:
        """A connection in replication mode."""
        from psycopg.conninfo import make_conninfo

        return ReplicationConnection(make_conninfo(**self._conninfo, replication="database"), self._words)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def rows(self, query: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """Run a query."""
        import psycopg

        try:
            cursor = self._connection.execute(query, parameters or None)
            return cursor.fetchall() if cursor.description else []
        except psycopg.OperationalError as error:
            raise RetriableError(f"The connection to PostgreSQL broke: {self._words(' '.join(str(error).split()))}") from None
        except psycopg.Error as error:
            mend = (
                "It needs the right to create it, or set 'publication.autocreate.mode'='disabled' and create it by hand."
                if "PUBLICATION" in query
                else ""
            )
            raise ConnectorError(f"PostgreSQL refused: {self._words(' '.join(str(error).split()))}.", mend=mend) from None

    # ------------------------------------------------------------------ what is arranged

    def check(self) -> None:
        """Raise ConfigError where the server does not log what is needed."""
        level = self.rows("SHOW wal_level")[0][0]
        if level != "logical":
            raise ConfigError(f"The server's wal_level is {level}.", mend="Set wal_level = logical in postgresql.conf and restart the server.")

    def ensure_publication(self, name: str, mode: str, tables: Sequence[tuple[str, str]]) -> None:
        """Create the publication where there is none, as `publication.autocreate.mode` says; a filtered one is kept in step with the tables."""
        from psycopg import sql

        found = self.rows("SELECT puballtables FROM pg_publication WHERE pubname = %s", name)
        listed = sql.SQL(", ").join(sql.Identifier(*table) for table in tables)
        own, text = sql.Identifier(name), None
        if not found and mode == "disabled":
            raise ConfigError(f"There is no publication {name}.", mend=f"CREATE PUBLICATION {quoted(name)} FOR ALL TABLES;")
        if not found and mode == "filtered" and not tables:
            raise ConfigError("No table is wanted, so the publication cannot be created.", mend="Look at 'table.include.list'.")
        if not found:
            which = {"all_tables": sql.SQL("FOR ALL TABLES"), "filtered": sql.SQL("FOR TABLE {}").format(listed), "no_tables": sql.SQL("")}[mode]
            text = sql.SQL("CREATE PUBLICATION {} {}").format(own, which)
        elif mode == "filtered" and not found[0][0] and tables:
            published = self.rows("SELECT schemaname, tablename FROM pg_publication_tables WHERE pubname = %s", name)
            if set(published) != set(tables):
                text = sql.SQL("ALTER PUBLICATION {} SET TABLE {}").format(own, listed)
        if text is not None:
            self.rows(text.as_string(self._connection))

    def slot(self, name: str) -> int | None:
        """Where the slot's stream goes on; None where there is no such slot. ConfigError where it is another plugin's or database's."""
        found = self.rows(
            "SELECT plugin, database = current_database(), confirmed_flush_lsn::text, wal_status FROM pg_replication_slots WHERE slot_name = %s", name
        )
        if not found:
            return None
        plugin, ours, flushed, status = found[0]
        if plugin != "pgoutput" or not ours:
            raise ConfigError(f"The slot {name} is of the plugin {plugin}, or of another database.", mend="Choose another 'slot.name'.")
        if status == "lost" or flushed is None:
            raise ConnectorError(f"The slot {name} has lost its place: the server has thrown its log away.", mend=START_ANEW)
        return parsed(flushed)

    def has_slot(self, name: str) -> bool:
        """Whether there is such a slot, whoever's."""
        return bool(self.rows("SELECT 1 FROM pg_replication_slots WHERE slot_name = %s", name))

    def drop_slot(self, name: str) -> bool:
        """Drop the slot, unless it is in use; whether it is gone."""
        self.rows("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = %s AND NOT active", name)
        return not self.has_slot(name)

    def slots(self) -> list[str]:
        """The slots of this database."""
        return [name for (name,) in self.rows("SELECT slot_name FROM pg_replication_slots WHERE database = current_database() ORDER BY 1")]

    def has_publication(self, name: str) -> bool:
        """Whether there is such a publication."""
        return bool(self.rows("SELECT 1 FROM pg_publication WHERE pubname = %s", name))

    def drop_publication(self, name: str) -> None:
        """Drop the publication."""
        self.rows(f"DROP PUBLICATION IF EXISTS {quoted(name)}")

    # ------------------------------------------------------------------ what there is

    def tables(self) -> list[tuple[str, str]]:
        """(schema, table) of every ordinary table, sorted."""
        return self.rows(
            "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
            "WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND n.nspname <> 'information_schema' AND n.nspname NOT LIKE 'pg\\_%' ORDER BY 1, 2"
        )

    def columns(self, schema: str, name: str, connection: psycopg.Connection[tuple[Any, ...]] | None = None) -> TableColumns | None:
        """The table as it is now, or as the transaction of `connection` sees it; None where it is gone."""
        source = connection or self._connection
        found = source.execute(
            "SELECT c.oid::int8 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s", (schema, name)
        ).fetchone()
        if found is None:
            return None
        rows = source.execute(
            "SELECT attname, atttypid::int8, atttypmod FROM pg_attribute WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped "
            "AND attgenerated = '' ORDER BY attnum",
            found,
        ).fetchall()
        return TableColumns(found[0], schema, name, tuple(RelationColumn(*row) for row in rows), self.keys(found[0], source))

    def keys(self, oid: int, connection: psycopg.Connection[tuple[Any, ...]] | None = None) -> tuple[str, ...]:
        """The columns of the table's primary key, in its order."""
        source = connection or self._connection
        rows = source.execute(
            "SELECT a.attname FROM pg_index i CROSS JOIN unnest(i.indkey) WITH ORDINALITY k (attnum, place) "
            "JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum WHERE i.indrelid = %s AND i.indisprimary ORDER BY k.place",
            (oid,),
        ).fetchall()
        return tuple(row[0] for row in rows)

    def types(self, oids: Sequence[int]) -> Mapping[int, CatalogType]:
        """What the catalog says of types, and of what they are made of."""
        wanted = [oid for oid in oids if oid not in self._types]
        while wanted:
            found = self.rows(
                "SELECT oid::int8, typbasetype::int8, typtypmod, CASE WHEN typcategory = 'A' THEN typelem::int8 ELSE 0 END "
                "FROM pg_type WHERE oid = ANY(%s)",
                wanted,
            )
            self._types |= {oid: CatalogType() for oid in wanted} | {row[0]: CatalogType(*row[1:]) for row in found}
            inner = [part for row in found for part in (row[1], row[3]) if part]
            wanted = [oid for oid in inner if oid not in self._types]
        return self._types


class ConsistentReading:
    """The tables as they stood at one place of the log, `lsn`."""

    def __init__(self, database: PostgresDatabase, lsn: int, snapshot: str) -> None:
        self.lsn = lsn
        self._database = database
        self._connection = database.connect()
        self._connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        self._connection.execute(f"SET TRANSACTION SNAPSHOT '{snapshot}'".encode())

    def table(self, schema: str, name: str) -> TableColumns | None:
        """The table as it was there."""
        return self._database.columns(schema, name, self._connection)

    def rows(self, table: TableColumns, after: Sequence[Any] | None, batch: int) -> Iterator[list[list[bytes | None]]]:
        """The rows with keys after `after`, in the order of keys where the table has such, in batches of text."""
        from psycopg import pq, sql

        types = {column.name: column.type_oid for column in table.columns}
        order = [
            sql.SQL('{} COLLATE "C"' if types[key] in _TEXT_TYPES else "{}").format(sql.Identifier(key)) for key in table.keys if table.is_ordered
        ]
        columns = sql.SQL(", ").join(sql.Identifier(column.name) for column in table.columns) if table.columns else sql.SQL("")
        query = sql.SQL("DECLARE penstock NO SCROLL CURSOR FOR SELECT {} FROM ONLY {}").format(columns, sql.Identifier(table.schema, table.name))
        if after is not None:
            values = sql.SQL(", ").join(map(sql.Literal, after))
            query += sql.SQL(" WHERE ({}) > ({})").format(sql.SQL(", ").join(order), values)
        if order:
            query += sql.SQL(" ORDER BY {}").format(sql.SQL(", ").join(order))
        self._connection.execute(query)
        while True:
            result = self._connection.pgconn.exec_(f"FETCH {batch} FROM penstock".encode())
            if result.status != pq.ExecStatus.TUPLES_OK:
                raise RetriableError(f"Reading {table.schema}.{table.name} broke off.")
            if result.ntuples == 0:
                break
            yield [[result.get_value(row, column) for column in range(result.nfields)] for row in range(result.ntuples)]
        self._connection.execute("CLOSE penstock")

    def close(self) -> None:
        """Let go of the snapshot."""
        self._connection.close()


def create_slot(connection: ReplicationConnection, name: str, *, temporary: bool, export: bool) -> tuple[int, str]:
    """Create a slot; the place of the log from which it streams, and the name of the snapshot of the tables there, good until the connection does
    anything else."""
    kind = "TEMPORARY LOGICAL" if temporary else "LOGICAL"
    row = connection.query(f"CREATE_REPLICATION_SLOT {quoted(name)} {kind} pgoutput {'EXPORT_SNAPSHOT' if export else 'NOEXPORT_SNAPSHOT'}")[0]
    return parsed(str(row[1])), str(row[2])
