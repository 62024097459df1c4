"""The in-memory driver for tests: a database whose queries run only when told to.

It is the ordinary engine over an in-memory log. Records go in and come out as JSON nodes; BYTES are base64 text, DECIMAL a Decimal.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from penstock.database import Database
from penstock.errors import TopicError
from penstock.result import Query

if TYPE_CHECKING:
    from penstock.catalog.model import DataSource
    from penstock.registry.model import Schema


@dataclass(frozen=True)
class Window:
    """A windowed key's bounds, ms."""

    start: int
    end: int | None


@dataclass(frozen=True)
class Record:
    """A record read back: JSON nodes, its time (ms), window and headers (name, base64 value)."""

    key: Any
    value: Any
    timestamp: int
    window: Window | None
    headers: list[tuple[str, str | None]] | None


@dataclass(frozen=True)
class Answer:
    """A query's schema (like "`ID` BIGINT KEY, `COUNT` BIGINT") and rows."""

    schema: str
    rows: list[list[Any]]


class Running:
    """A query that was started."""

    def __init__(self, query: Query) -> None:
        self._query = query

    def result(self) -> Answer:
        """A pull query's answer; a push query's rows up to its LIMIT, or what follows from the input so far."""
        from penstock.testing_nodes import node

        found = self._query.drain() if self._query.is_push else self._query.fetchall()
        rows = [[node(v, t) for v, t in zip(row, self._query.types, strict=True)] for row in found]
        return Answer(self._query.schema, rows)


@dataclass(frozen=True)
class _Formats:
    key: str | None
    value: str | None


class Driver:
    """A database in memory. `batching` False emits every change of a table, as with `cache.max.bytes.buffering` 0.

    A topic of a CREATE that does not say has 4 partitions, as ksqlDB's cases take for granted where they give the order of a pull query's
    rows; but all records go to partition 0, as in ksqlDB's own test driver, so that they keep one order and there is one stream time.
    """

    def __init__(self, properties: Mapping[str, Any] | None = None, batching: bool = True) -> None:
        from penstock import settings

        given = {"auto.offset.reset": "earliest", "num.partitions": "4", **{name: str(value) for name, value in (properties or {}).items()}}
        known = {name: value for name, value in given.items() if settings.known(name)}
        if not batching:
            known["cache.max.bytes.buffering"] = "0"
        self.database = Database(":memory:", properties=known, threads=False, spread=False)
        self._formats: dict[str, _Formats] = {}
        self._schemas: dict[str, list[tuple[str, Schema, int | None]]] = {}
        """By topic, schemas that are not registered yet: the subject, the schema, the id it is to have."""
        self._pushed: list[Query] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """Close its queries and the database."""
        for query in self._pushed:
            query.close()
        self.database.close()

    # ------------------------------------------------------------------------------------------ statements

    def execute(self, sql: str) -> None:
        """Run one statement that is not a query."""
        from penstock.plan import topic_spec
        from penstock.sql import ast

        specs = [topic_spec(s) if isinstance(s, ast.CreateSource) else None for s in self.database.statements(sql)]
        if any(spec is None or spec.name in self._schemas for spec in specs):
            self._register()
        for spec in specs:
            if spec is not None and spec.partitions is not None:
                self._repartition(spec.name, spec.partitions)
        self.database.execute(sql)

    def _repartition(self, topic: str, partitions: int) -> None:
        """A topic that was only made known and has no records yet gets the number of partitions that a statement gives it."""
        log = self.database.log
        info = log.topic(topic)
        read = any(s.topic == topic for s in self.database.catalog.sources())
        if info is None or topic not in self._formats or read or info.partitions == partitions:
            return
        if all(log.end_offset(topic, p) == 0 for p in range(info.partitions)):
            log.delete_topic(topic)
            log.create_topic(topic, partitions)

    def _register(self) -> None:
        """Register the schemas that are waiting."""
        for subject, schema, schema_id in (waiting for topic in self._schemas.values() for waiting in topic):
            self.database.schemas.register(subject, schema, id=schema_id)
        self._schemas.clear()

    def query(self, sql: str) -> Running:
        """Start a push or pull query."""
        self._register()
        query = self.database.query(sql)
        if query.is_push:
            self._pushed.append(query)
        return Running(query)

    def run(self) -> None:
        """Process everything that is waiting."""
        self.database.wait_idle()
        for query in self._pushed:
            query.advance()

    # ------------------------------------------------------------------------------------------ topics and records

    def create_topic(
        self,
        name: str,
        *,
        partitions: int = 1,
        key_format: str | None = None,
        key_schema: Any = None,
        value_format: str | None = None,
        value_schema: Any = None,
        key_schema_id: int | None = None,
        value_schema_id: int | None = None,
        value_schema_references: Sequence[Mapping[str, Any]] | None = None,
    ) -> None:
        """Create a topic; a schema (Avro and JSON Schema as JSON, Protobuf as text) is registered under the topic's subject.

        That is done when a statement may first need it, which gives the ids that ksqlDB's cases count on: the schemas of sources that are
        declared over other topics come first.
        """
        from penstock.registry.model import Reference, Schema, SchemaType

        if self.database.log.topic(name) is None:
            self.database.log.create_topic(name, partitions)
        self._formats[name] = _Formats(key_format, value_format)
        types: dict[str, SchemaType] = {"AVRO": "AVRO", "JSON_SR": "JSON", "JSON": "JSON", "PROTOBUF": "PROTOBUF"}
        references = []
        for given in value_schema_references or []:
            text = given["schema"] if isinstance(given["schema"], str) else json.dumps(given["schema"])
            kind = types[(value_format or "AVRO").upper()]
            self.database.schemas.register(given["name"], Schema(text, kind))
            references.append(Reference(given["name"], given["name"], 1))
        sides = (("key", key_format, key_schema, key_schema_id, ()), ("value", value_format, value_schema, value_schema_id, tuple(references)))
        for side, format_name, schema, schema_id, refers in sides:
            if schema is not None:
                text = schema if isinstance(schema, str) and (format_name or "").startswith("PROTOBUF") else json.dumps(schema)
                waiting = Schema(text, types[(format_name or "AVRO").upper()], refers)
                self._schemas.setdefault(name, []).append((f"{name}-{side}", waiting, schema_id))

    def topics(self) -> list[dict[str, Any]]:
        """Each topic's name and number of partitions."""
        return [{"name": t.name, "partitions": t.partitions} for t in self.database.log.topics() if not t.internal]

    def describe(self) -> list[dict[str, str]]:
        """Each source: name, type, topic, schema, key_format, value_format."""
        from penstock.plan import schema_text

        return [
            {
                "name": s.name, "type": s.kind.lower(), "topic": s.topic, "schema": schema_text(s),
                "key_format": s.key_format.name, "value_format": s.value_format.name,
            }
            for s in self.database.catalog.sources()
        ]  # fmt: skip

    def send(
        self,
        topic: str,
        key: Any,
        value: Any,
        *,
        timestamp: int = 0,
        window: Mapping[str, Any] | None = None,
        headers: Sequence[tuple[str, str | None]] | None = None,
    ) -> None:
        """Append a record; the nodes are serialised as the topic's formats say. Headers are (name, base64 value)."""
        import pyarrow as pa

        from penstock.log.protocol import Append
        from penstock.log.records import RECORDS
        from penstock.testing_nodes import serialised

        self._register()
        if self.database.log.topic(topic) is None:
            self.create_topic(topic)
        key_format, value_format, source = self._of(topic)
        key_bytes = serialised(self.database, topic, key, key_format, source, is_key=True)
        value_bytes = serialised(self.database, topic, value, value_format, source, is_key=False)
        if window is not None and key_bytes is not None:
            bounds = [window["start"]] if window.get("type", "time").lower() != "session" else [window["end"], window["start"]]
            key_bytes += b"".join(int(bound).to_bytes(8, "big") for bound in bounds)
        raw = [{"key": k, "value": None if v is None else base64.b64decode(v)} for k, v in headers] if headers else None
        batch = pa.RecordBatch.from_arrays(
            [pa.array([timestamp], pa.int64()), pa.array([key_bytes], pa.binary()), pa.array([value_bytes], pa.binary()),
             pa.array([raw], RECORDS.field("headers").type)],
            schema=RECORDS,
        )  # fmt: skip
        self.database.log.append(Append(topic, 0, batch))

    def read(self, topic: str) -> list[Record]:
        """All records of a topic, in the order in which they were appended."""
        from penstock.testing_nodes import deserialised, key_node

        log = self.database.log
        info = log.topic(topic)
        if info is None:
            raise TopicError(f"There is no topic {topic!r}.")
        key_format, value_format, source = self._of(topic)
        rows = [row for p in range(info.partitions) for row in log.read(topic, p, 0, max_records=1_000_000).to_pylist()]
        records = []
        for row in sorted(rows, key=lambda r: r["sequence"]):
            key, window = row["key"], None
            if source is not None and source.window is not None and key is not None:
                key, window = split(key, source)
            headers: list[tuple[str, str | None]] = [
                (h["key"], None if h["value"] is None else base64.b64encode(h["value"]).decode()) for h in row["headers"] or []
            ]
            records.append(
                Record(
                    key_node(deserialised(self.database, topic, key, key_format, source, is_key=True)),
                    deserialised(self.database, topic, row["value"], value_format, source, is_key=False),
                    row["timestamp"],
                    window,
                    headers or None,
                )
            )
        return records

    def _of(self, topic: str) -> tuple[str, str, DataSource | None]:
        """A topic's formats, as its source or else as its creation gave them."""
        source = next((s for s in reversed(self.database.catalog.sources()) if s.topic == topic), None)
        given = self._formats.get(topic, _Formats(None, None))
        key = (source.key_format.name if source else None) or given.key or "KAFKA"
        return key.upper(), ((source.value_format.name if source else None) or given.value or "JSON").upper(), source


def split(key: bytes, source: DataSource) -> tuple[bytes, Window]:
    """A windowed key's own bytes and its window."""
    assert source.window is not None
    if source.window.kind == "SESSION":
        return key[:-16], Window(int.from_bytes(key[-8:], "big"), int.from_bytes(key[-16:-8], "big"))
    start = int.from_bytes(key[-8:], "big")
    return key[:-8], Window(start, start + (source.window.size_ms or 0))

