"""JDBC sink: writes records into the tables of a relational database."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from penstock.connect.contract import CLEAN_UP_S, Leaving, RefusedError, SinkContext, SinkDefinition
from penstock.connect.databases.address import CONNECTION_OPTIONS, database_url, open_engine, shown
from penstock.connect.databases.failures import failure
from penstock.connect.databases.places import Places
from penstock.connect.databases.tables import TableName, table_name
from penstock.connect.databases.target import Target, absent, bound, create, find, guessed, widen
from penstock.connect.options import Option
from penstock.connect.records import Record
from penstock.connect.secrets import Secrets
from penstock.errors import ConfigError, ConnectorError, Error
from penstock.sql.types import BIGINT, INTEGER, STRING, SqlType

if TYPE_CHECKING:
    import sqlalchemy

KAFKA_KEYS = ("__connect_topic", "__connect_partition", "__connect_offset")
_KAFKA_TYPES: tuple[SqlType, ...] = (STRING, INTEGER, BIGINT)

PLACES_TABLE = "penstock_offsets"

OPTIONS = (
    *CONNECTION_OPTIONS,
    Option(
        "insert.mode",
        "choice",
        "`insert` adds a row; `upsert` adds it or replaces the one with the same key; `update` changes the one with the same key.",
        "insert",
        choices=("insert", "upsert", "update"),
    ),
    Option("batch.size", "integer", "At most this many records in a transaction.", 3_000, minimum=1),
    Option("delete.enabled", "boolean", "Whether a tombstone deletes the row with its key; it needs `pk.mode`=`record_key`.", False),
    Option("table.name.format", "string", "The table; `${topic}` stands for the topic. A schema may stand before it.", "${topic}"),
    Option(
        "pk.mode",
        "choice",
        "What the primary key is: `none`, `kafka` (topic, partition and offset), `record_key` (the key's columns) or `record_value` (columns of the "
        "value).",
        "none",
        choices=("none", "kafka", "record_key", "record_value"),
    ),
    Option(
        "pk.fields",
        "list",
        "The columns of the primary key: of `kafka` three names, of `record_key` those of the key to take (of a key that is one value, what to call "
        "it), of `record_value` those of the value.",
        (),
    ),
    Option("fields.whitelist", "list", "The value's columns to write; empty: all.", ()),
    Option("auto.create", "boolean", "Whether to create a table that is not there.", False),
    Option("auto.evolve", "boolean", "Whether to add columns that a table lacks.", False),
    Option(
        "offsets.table.name",
        "string",
        "The table in which the sink keeps its own place in mode `insert`, so that no row is written twice; empty: it keeps none.",
        PLACES_TABLE,
    ),
)


class JdbcSink:
    """The sink of one task: one connection, one transaction for each delivery."""

    def __init__(self, options: Mapping[str, Any], secrets: Secrets, context: SinkContext) -> None:
        _check(options)
        self._options, self._secrets, self._context = options, secrets, context
        self._keys: list[str] = options["pk.fields"]
        self._pk: str = options["pk.mode"]
        self._mode: str = options["insert.mode"]
        self._fields = [name.lower() for name in options["fields.whitelist"]]
        self._url, _ = database_url(options, secrets)
        self._dialect = self._url.get_backend_name()
        if self._mode == "upsert" and self._dialect not in ("postgresql", "mysql", "mariadb", "sqlite"):
            raise ConfigError(f"'insert.mode'='upsert' is not known for {self._dialect}.", mend="Use 'insert' or 'update'.")
        self._engine: sqlalchemy.Engine | None = None
        self._places: Places | None = None
        self._targets: dict[str, Target] = {}

    def put(self, records: Sequence[Record]) -> None:
        """Write the records in one transaction. Raises RetriableError, RefusedError where the database refuses a row, ConnectorError for a table
        that is not as it should be."""
        from sqlalchemy.exc import SQLAlchemyError

        try:
            self._put(records)
        except SQLAlchemyError as error:
            self._targets.clear()  # they may have changed
            raise failure(error, f"Writing to {shown(self._url)}", self._secrets) from None
        except ConnectorError:
            self._targets.clear()
            raise

    def close(self) -> None:
        """Close the connection."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def _put(self, records: Sequence[Record]) -> None:
        engine = self._open()
        with engine.begin() as connection:
            new = self._places.new(connection, records) if self._places else records
            for (topic, deletes), run in groupby(new, key=lambda record: (record.topic, record.tombstone)):
                self._write(connection, topic, list(run), deletes=deletes)
            if self._places and new:
                self._places.note(connection, new)
        if self._places:
            self._places.passed(records)

    def _open(self) -> sqlalchemy.Engine:
        if self._engine is None:
            engine = open_engine(self._options, self._secrets)
            name = self._options["offsets.table.name"]
            if name and self._mode == "insert":
                places = _places(name, self._context.connector, self._context.incarnation())
                self._places = places if places.create(engine) else None
            self._engine = engine
        return self._engine

    # ------------------------------------------------------------------ rows

    def _write(self, connection: sqlalchemy.Connection, topic: str, records: Sequence[Record], *, deletes: bool) -> None:
        if deletes and not self._options["delete.enabled"]:
            raise RefusedError(f"{records[0].place} is a tombstone.", mend="With 'delete.enabled'='true' it deletes the row of its key.")
        keyed = [(self._key(record), {} if deletes else self._values(record)) for record in records]
        target = self._target(connection, topic, keyed)
        keys = [self._spelled(target, name) for name in keyed[0][0]]
        for _, run in groupby(({**key, **value} for key, value in keyed), key=tuple):  # rows of the same columns go together
            rows = [{self._spelled(target, name): value for name, value in row.items()} for row in run]
            rows = [{n: bound(v, self._dialect, takes_list=n in target.lists) for n, v in row.items()} for row in rows]
            if deletes:
                connection.execute(target.table.delete().where(*_is(target, keys)), _prefixed(rows, keys))
            elif self._mode == "update":
                self._update(connection, target, keys, rows)
            else:
                connection.execute(_insert(target, self._dialect, keys, rows[0]) if self._mode == "upsert" else target.table.insert(), rows)

    def _update(self, connection: sqlalchemy.Connection, target: Target, keys: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
        import sqlalchemy

        others = [name for name in rows[0] if name not in keys]
        if others:
            changes: dict[Any, Any] = {target.table.c[name]: sqlalchemy.bindparam(f"v_{name}") for name in others}
            parameters = [key | {f"v_{n}": row[n] for n in others} for key, row in zip(_prefixed(rows, keys), rows, strict=True)]
            connection.execute(target.table.update().where(*_is(target, keys)).values(changes), parameters)

    def _key(self, record: Record) -> dict[str, Any]:
        """The primary key's columns of a record."""
        if self._pk == "kafka":
            return dict(zip(self._keys or KAFKA_KEYS, (record.stands_in, record.partition, record.offset), strict=True))
        if self._pk == "record_key":
            names = record.key_columns
            if not names or any(record.columns.get(name) is None for name in names):
                raise RefusedError(f"{record.place} has no key, or NULL in it.", mend="'pk.mode'='record_key' needs one.")
            if len(names) == 1 and len(self._keys) == 1:
                return {self._keys[0]: record.columns[names[0]]}
            return {name: record.columns[name] for name in _chosen(self._keys, names, record)}
        if self._pk == "record_value":
            values = record.value_columns()
            return {name: values[name] for name in _chosen(self._keys, tuple(values), record)}
        return {}

    def _values(self, record: Record) -> dict[str, Any]:
        """The other columns of a record."""
        return {name: value for name, value in record.value_columns().items() if not self._fields or name.lower() in self._fields}

    # ------------------------------------------------------------------ tables

    def _target(self, connection: sqlalchemy.Connection, topic: str, rows: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> Target:
        """The topic's table, made or widened where that is wanted."""
        name = self._name(topic)
        target = self._targets.get(topic) or find(connection, name)
        wanted = {column: None for key, value in rows for column in (*key, *value)}
        if target is None:
            if not self._options["auto.create"]:
                raise absent(name)
            create(connection, name, self._types(topic, wanted, rows), list(rows[0][0]))
            target = find(connection, name)
        assert target is not None
        missing = [column for column in wanted if target.column(column) is None]
        if missing:
            if not self._options["auto.evolve"]:
                mend = "Add them, set 'auto.evolve'='true', or choose columns by 'fields.whitelist'."
                raise ConnectorError(f"The table {name} has no column {', '.join(missing)}.", mend=mend)
            widen(connection, target, self._types(topic, missing, rows))
            target = find(connection, name)
            assert target is not None
        self._targets[topic] = target
        return target

    def _types(self, topic: str, names: Any, rows: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> dict[str, SqlType]:
        """The columns' types: those of the topic, else those of the values."""
        known = dict(self._context.types(topic) or {})
        known |= dict(zip(self._keys or KAFKA_KEYS, _KAFKA_TYPES, strict=False)) if self._pk == "kafka" else {}
        return {name: known.get(name) or guessed((key | value).get(name) for key, value in rows) for name in names}

    def _name(self, topic: str) -> TableName:
        written: str = self._options["table.name.format"]
        if written == "${topic}":
            return TableName(None, topic)  # a point in a topic's name is no schema's
        schema, _, name = written.rpartition(".")
        return TableName(table_name(schema.replace("${topic}", topic)).name if schema else None, name.replace("${topic}", topic).strip('"`'))

    @staticmethod
    def _spelled(target: Target, name: str) -> str:
        return target.column(name) or name


def _is(target: Target, keys: Sequence[str]) -> Iterator[Any]:
    import sqlalchemy

    return (target.table.c[name] == sqlalchemy.bindparam(f"k_{name}") for name in keys)


def _prefixed(rows: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> list[dict[str, Any]]:
    return [{f"k_{name}": row[name] for name in keys} for row in rows]


def _insert(target: Target, dialect: str, keys: Sequence[str], row: Mapping[str, Any]) -> Any:
    """INSERT that replaces the row of the same key."""
    others = [name for name in row if name not in keys]
    if dialect in ("mysql", "mariadb"):
        from sqlalchemy.dialects import mysql

        statement = mysql.insert(target.table)
        return statement.on_duplicate_key_update({name: statement.inserted[name] for name in others or keys})
    from sqlalchemy.dialects import postgresql, sqlite

    other: Any = (postgresql if dialect == "postgresql" else sqlite).insert(target.table)
    columns = [target.table.c[name] for name in keys]
    if not others:
        return other.on_conflict_do_nothing(index_elements=columns)
    return other.on_conflict_do_update(index_elements=columns, set_={name: other.excluded[name] for name in others})


def _chosen(wanted: Sequence[str], there: Sequence[str], record: Record) -> list[str]:
    """The record's own spelling of the columns that `pk.fields` names; all of them where it names none."""
    found = {name.lower(): name for name in there}
    missing = [name for name in wanted if name.lower() not in found]
    if missing:
        raise RefusedError(f"{record.place} has no column {', '.join(missing)} for the primary key; it has {', '.join(there)}.")
    return [found[name.lower()] for name in wanted] or list(there)


def _check(options: Mapping[str, Any]) -> None:
    """What only all options together can tell."""
    mode, pk, fields = options["insert.mode"], options["pk.mode"], options["pk.fields"]
    if mode != "insert" and pk == "none":
        raise ConfigError(f"'insert.mode'='{mode}' needs a primary key.", mend="Set 'pk.mode' to record_key, record_value or kafka.")
    if options["delete.enabled"] and pk != "record_key":
        raise ConfigError("'delete.enabled'='true' needs 'pk.mode'='record_key'.", mend="A tombstone has nothing but its key.")
    if pk == "record_value" and not fields:
        raise ConfigError("'pk.mode'='record_value' needs 'pk.fields'.", mend="Name the columns that make the primary key.")
    if pk == "kafka" and fields and len(fields) != len(KAFKA_KEYS):
        raise ConfigError(f"'pk.fields' holds {len(fields)} names.", mend="Of 'pk.mode'='kafka' it takes three: for topic, partition and offset.")
    if not re.search(r"[^\s.]", options["table.name.format"].replace("${topic}", "t")):
        raise ConfigError("'table.name.format' names no table.")


def _places(table: str, connector: str, incarnation: str) -> Places:
    return Places(table, f"{connector}/{incarnation}")


def _clean_up(leaving: Leaving) -> list[str]:
    """Remove the places; the table stays, which other sinks may use."""
    from sqlalchemy.exc import SQLAlchemyError

    places, where = _places(PLACES_TABLE, leaving.connector, leaving.incarnation or ""), "the database"
    try:
        options = {**leaving.read_options(), "connection.timeout.ms": CLEAN_UP_S * 1000}
        places = _places(options["offsets.table.name"] or PLACES_TABLE, leaving.connector, leaving.incarnation or "")
        where = shown(database_url(options, leaving.secrets)[0])
        engine = open_engine(options, leaving.secrets)
        try:
            places.remove(engine, CLEAN_UP_S)
        except SQLAlchemyError as error:
            raise failure(error, "Removing it", leaving.secrets) from None
        finally:
            engine.dispose()
    except Error as error:
        return [f"Its place stays in {where}, which harms nothing: {error.what} To remove it: {places.removal()}"]
    return []


DEFINITION = SinkDefinition(
    class_names=("JdbcSink", "JdbcSinkConnector", "io.confluent.connect.jdbc.JdbcSinkConnector"),
    summary="Writes records into tables of PostgreSQL, MySQL, MariaDB, SQLite and others: insert, upsert, update, delete.",
    documentation="""\
Each delivery is one transaction. Columns are found by their names, in any case of their letters where there is none in the same; every name is
quoted. What is nested is written as JSON, a list into PostgreSQL's arrays as it is.

**No row is written twice.** `upsert`, `update` and deletes can come again and change nothing. For `insert` the sink keeps its place in a table of the
target, `penstock_offsets`, in the same transaction as the rows; where it may not create that table it says so in the log and delivers at least once.
A connector that is dropped and created again begins anew: DROP CONNECTOR removes its place from that table, which stays. Where the database is away
then, the answer says how to remove it.

A database that is away, a deadlock, a lock that is not to be had: the delivery is tried again. A row that the database refuses (a constraint, a
value that does not fit) goes the way of `errors.tolerance`; so does a tombstone where `delete.enabled` is false. A table or column that is not there
fails the task, unless `auto.create` and `auto.evolve` are to make it.""",
    example="""\
CREATE SINK CONNECTOR warehouse WITH (
  'connector.class' = 'io.confluent.connect.jdbc.JdbcSinkConnector',
  'connection.url' = 'jdbc:postgresql://localhost:5432/demo',
  'connection.user' = 'demo',
  'connection.password' = '${env:PGPASSWORD}',
  'topics' = 'RATINGS_BY_CLUB_STATUS',
  'insert.mode' = 'upsert',
  'pk.mode' = 'record_key',
  'auto.create' = 'true'
);""",
    options=OPTIONS,
    batch_max=lambda options: int(options["batch.size"]),
    open=JdbcSink,
    clean_up=_clean_up,
)
