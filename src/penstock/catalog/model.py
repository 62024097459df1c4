"""What exists: the sources and the queries, as frozen dataclasses."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal as OneOf

from penstock.plan.steps import FormatSpec, HeaderColumn, Kind, Schema, Sink, TimestampSpec, WindowedKey
from penstock.sql.types import SqlType


@dataclass(frozen=True)
class DataSource:
    """A stream or a table over a topic. `schema.value` holds the header columns too (they are not in the value's bytes)."""

    name: str
    kind: Kind
    topic: str
    schema: Schema
    key_format: FormatSpec
    value_format: FormatSpec
    timestamp: TimestampSpec | None = None
    window: WindowedKey | None = None
    headers: tuple[HeaderColumn, ...] = ()
    read_only: bool = False  # CREATE SOURCE ...
    sql: str = ""
    created_by: str | None = None  # the query that writes it


@dataclass(frozen=True)
class PersistentQuery:
    """CREATE ... AS SELECT or INSERT INTO ... SELECT, running until terminated."""

    id: str  # CTAS_NAME_7, CSAS_NAME_3, INSERTQUERY_9
    sql: str
    plan: Sink
    properties: dict[str, str] = field(default_factory=dict)
    state: OneOf["RUNNING", "PAUSED"] = "RUNNING"


@dataclass(frozen=True)
class CustomType:
    """CREATE TYPE name AS type."""

    name: str
    type: SqlType


@dataclass(frozen=True)
class SystemProperty:
    """ALTER SYSTEM: a setting that every session begins with. `value` is such as `settings.checked` returns."""

    name: str
    value: str


State = OneOf["RUNNING", "PAUSED", "STOPPED"]


@dataclass(frozen=True)
class Connector:
    """CREATE SOURCE|SINK CONNECTOR: its options as they were written, secrets unresolved. `state` is what it is to be: one that is STOPPED rests as
    one that is PAUSED does, and its place may be changed meanwhile. `folder`: that of the file which created it."""

    name: str
    kind: OneOf["SOURCE", "SINK"]
    options: dict[str, str]
    state: State = "RUNNING"
    folder: str | None = None
