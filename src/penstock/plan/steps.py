"""The plan of a query: a tree of steps from sources to a sink. Typed, engine-neutral, printable and serialisable.

Every row of a step carries, beside its columns, a timestamp (ms), and a windowed one its window's bounds. A STREAM step yields records; a
TABLE step yields changes: by key, the new value or its absence (a tombstone).
Column names are unique within a step; in joins a source's columns are `ALIAS.COLUMN`, the last `Select` gives them their final names.
ROWTIME, ROWPARTITION, ROWOFFSET, and WINDOWSTART and WINDOWEND of a windowed source, are columns of the `Source` step; the bounds of a window that
the query itself makes are `WindowBound` expressions above its `Aggregate`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal as OneOf

from penstock.plan.expressions import AggregateCall, Expr, TableCall, Value
from penstock.sql.types import SqlType

Kind = OneOf["STREAM", "TABLE"]
WindowKind = OneOf["TUMBLING", "HOPPING", "SESSION"]


@dataclass(frozen=True)
class Column:
    name: str
    type: SqlType


@dataclass(frozen=True)
class Schema:
    """The columns of a row: those of its key, then those of its value."""

    key: tuple[Column, ...]
    value: tuple[Column, ...]

    @property
    def columns(self) -> tuple[Column, ...]:
        """Key and value columns, in this order."""
        return self.key + self.value


@dataclass(frozen=True)
class FormatSpec:
    """A format and its options, as the WITH clause gives them. `name` is upper case: JSON, AVRO, KAFKA ..."""

    name: str
    delimiter: str | None = None
    full_schema_name: str | None = None
    schema_id: int | None = None
    wrap_single: bool | None = None
    nullable: str | None = None  # ..._PROTOBUF_NULLABLE_REPRESENTATION: OPTIONAL or WRAPPER


@dataclass(frozen=True)
class TimestampSpec:
    """The WITH clause's TIMESTAMP column, and TIMESTAMP_FORMAT where that column is a STRING."""

    column: str
    format: str | None = None


@dataclass(frozen=True)
class WindowedKey:
    """The key's window, as it stands in a topic's key bytes; `size_ms` is None for SESSION."""

    kind: WindowKind
    size_ms: int | None = None


@dataclass(frozen=True)
class HeaderColumn:
    """A column filled from headers: all of them (`header` None; ARRAY<STRUCT<KEY STRING, VALUE BYTES>>), or the last of one name (BYTES)."""

    name: str
    header: str | None = None


@dataclass(frozen=True)
class Window:
    kind: WindowKind
    size_ms: int  # SESSION: the gap
    advance_ms: int | None = None
    retention_ms: int | None = None
    grace_ms: int | None = None  # None: the default of the language (24 h less the size where no EMIT FINAL asks otherwise)


@dataclass(frozen=True)
class Step:
    """Base of the steps."""

    schema: Schema
    kind: Kind


@dataclass(frozen=True)
class Source(Step):
    """Reads a topic. `prefix` ("A." in a join, else "") stands before each column's name in `schema`; `pseudo` names the pseudo columns
    (ROWTIME, ROWPARTITION, ROWOFFSET, WINDOWSTART, WINDOWEND) that the query reads from it, present in `schema.value` under the same prefix.
    `columns` are the topic's own key and value columns, unprefixed; value columns and headers that the query never reads are missing from `schema`,
    `pseudo` and `headers`. The timestamp's column stays. Where a stream's record has no value, all of `schema.value` is NULL, pseudo columns too."""

    source: str
    topic: str
    columns: Schema
    key_format: FormatSpec
    value_format: FormatSpec
    prefix: str = ""
    pseudo: tuple[str, ...] = ()
    headers: tuple[HeaderColumn, ...] = ()
    timestamp: TimestampSpec | None = None
    window: WindowedKey | None = None


@dataclass(frozen=True)
class Filter(Step):
    """Rows whose predicate is true. Over a table, a row that stops satisfying it becomes a tombstone."""

    input: Step
    predicate: Expr


@dataclass(frozen=True)
class Select(Step):
    """Computes columns: `key` in the order of `schema.key`, `value` in that of `schema.value`. The key's values stay what they are: `key` holds plain
    columns of the input's key, under new names or the same. A window of the row stays too."""

    input: Step
    key: tuple[Expr, ...]
    value: tuple[Expr, ...]


@dataclass(frozen=True)
class FlatMap(Step):
    """One row for each item of the table functions' lists, side by side, the shorter ones padded with NULL; adds their columns, the
    last of `schema.value`."""

    input: Step
    calls: tuple[TableCall, ...]


@dataclass(frozen=True)
class Rekey(Step):
    """A new key, and with it a new partition: PARTITION BY, or before a GROUP BY or join on other columns. `schema.key` names the new key's columns,
    `schema.value` holds columns of the input (of its key or value) by their names there. `key` may be empty: no key; before an Aggregate: one group
    of all rows. With `keep_null` (PARTITION BY) a row goes on whatever its key; without (GROUP BY, joins) it is dropped where a new key column is
    NULL. The row's window, where it has one, ends here. Over a table (only before an Aggregate) the changed row's old value leaves its old group."""

    input: Step
    key: tuple[Expr, ...]
    keep_null: bool = False


@dataclass(frozen=True)
class Aggregate(Step):
    """Rows grouped by the input's key (windowed where `window` is given): a table with that key, and the value columns `carried` (columns of the
    input constant within a group) followed by one column for each aggregate. Over a table, replaced rows are undone first. The aggregates' arguments
    are columns of the input, literals, or casts of these. HAVING is a `Filter` above, and above the `Suppress` where there is one."""

    input: Step
    carried: tuple[str, ...]
    aggregates: tuple[AggregateCall, ...]
    window: Window | None = None


@dataclass(frozen=True)
class Suppress(Step):
    """EMIT FINAL: a window's last row only, once stream time passes its end and the grace period."""

    input: Step
    window: Window


@dataclass(frozen=True)
class StreamTableJoin(Step):
    """Each stream row with the table's row of its key, as of the row's place in processing order.

    Of every join but the foreign-key one: the inputs are keyed by the join key, one column of one type on both sides (with equal windows, where the
    sources are windowed). The result's key is the left's key column (INNER, LEFT) or the right's (RIGHT), under its name there; of a FULL join it is
    a column of its own (ROWKEY), the key of whichever side is there. `schema.value` holds the other columns of left and right by their names there,
    the other side's key column among them (NULL where there was no row)."""

    left: Step
    right: Step
    join: OneOf["INNER", "LEFT"]


@dataclass(frozen=True)
class StreamStreamJoin(Step):
    """Rows of equal key whose timestamps lie within `before_ms` and `after_ms` of each other: right.time in [left.time - before_ms,
    left.time + after_ms]. With `grace_ms`, an outer join's unmatched rows follow once the window has closed; without (None) at once."""

    left: Step
    right: Step
    join: OneOf["INNER", "LEFT", "RIGHT", "FULL"]
    before_ms: int
    after_ms: int
    grace_ms: int | None = None


@dataclass(frozen=True)
class TableTableJoin(Step):
    left: Step
    right: Step
    join: OneOf["INNER", "LEFT", "RIGHT", "FULL"]


@dataclass(frozen=True)
class ForeignKeyJoin(Step):
    """A table joined to another's primary key by an expression over its own columns. The key is the left's; the value: the columns of both,
    the right's key among them."""

    left: Step
    right: Step
    join: OneOf["INNER", "LEFT"]
    foreign_key: Expr


@dataclass(frozen=True)
class Sink(Step):
    """Writes the input to a topic. `timestamp` names the column that becomes the record's timestamp; `window` is how the key carries its window."""

    input: Step
    target: str  # the stream's or table's name
    topic: str
    key_format: FormatSpec
    value_format: FormatSpec
    partitions: int = 1
    timestamp: TimestampSpec | None = None
    window: WindowedKey | None = None


def sources_of(step: Step) -> Iterator[Source]:
    """The sources that a plan reads, one for each time that it does."""
    if isinstance(step, Source):
        yield step
    for below in vars(step).values():
        if isinstance(below, Step):
            yield from sources_of(below)


# ---------------------------------------------------------------------------------------------- queries without a sink


@dataclass(frozen=True)
class OutputColumn:
    """A column of a query's answer: `name` is its name in the answer and in `QueryPlan.root.schema`."""

    name: str
    type: SqlType
    key: bool = False


@dataclass(frozen=True)
class WindowRange:
    """The windows that a pull query asks for, bounds in ms, inclusive, None where open."""

    start_min_ms: int | None = None
    start_max_ms: int | None = None
    end_min_ms: int | None = None
    end_max_ms: int | None = None


@dataclass(frozen=True)
class QueryPlan:
    """A SELECT by itself. `output` is the answer's columns in SELECT order; `root.schema` may hold more (the key of a row that was not selected).

    A push query (`push`) runs on, from where `auto.offset.reset` says. A pull query answers from what is there now; `lookup` holds the whole keys
    (a value for each key column) that its WHERE pins, each as the Python value of the column's type, where it does (None: look at all rows), and
    `windows` the windows that it pins. They narrow what is read: the WHERE stays in the tree.
    """

    push: bool
    root: Step
    output: tuple[OutputColumn, ...]
    limit: int | None = None
    lookup: tuple[tuple[Value, ...], ...] | None = None
    windows: WindowRange | None = None
