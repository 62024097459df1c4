"""Reading a topic: records become rows. What cannot be read goes to the processing log, and the rest goes on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from penstock import formats, functions
from penstock.engine.evaluate import one_chunk
from penstock.engine.pile import Pile
from penstock.engine.rows import RowCodec, pack_keys
from penstock.engine.stage import Cycle, Stage
from penstock.engine.state import Rows, bounded
from penstock.errors import DataError
from penstock.formats.contract import Column, Decoded, Decoder, SerdeOptions
from penstock.functions.duckdb import text
from penstock.plan import steps
from penstock.registry.model import SchemaRegistry
from penstock.sql.types import BIGINT, BYTES, STRING, arrow_type

POSITIONAL = {"DELIMITED", "KAFKA", "NONE", "PROTOBUF_NOSR"}
"""Formats that tell columns apart by position: they must be read whole."""

PILED_FROM = 500_000
"""The columns of a batch of so many records are kept in one piece each; what smaller ones leave is soon used again as it is."""

HEADERS = pa.list_(pa.struct([pa.field("KEY", pa.string()), pa.field("VALUE", pa.binary())]))


@dataclass(frozen=True)
class Records:
    """A batch of one source's records, of all its partitions, in processing order. `places` orders them among those of the other sources."""

    places: pa.Array
    partitions: pa.Array
    offsets: pa.Array
    timestamps: pa.Array
    keys: pa.Array
    values: pa.Array
    headers: pa.Array

    def __len__(self) -> int:
        return len(self.places)


def options(spec: steps.FormatSpec, topic: str, *, is_key: bool, wrap: bool = True) -> SerdeOptions:
    """What a format needs to know to read or write a topic's keys or values."""
    wrap_single = spec.wrap_single if spec.wrap_single is not None else wrap and not is_key
    return SerdeOptions(
        is_key=is_key,
        subject=f"{topic}-{'key' if is_key else 'value'}",
        schema_id=spec.schema_id,
        full_schema_name=spec.full_schema_name,
        wrap_single=wrap_single,
        delimiter=spec.delimiter or ",",
        properties={"nullable_representation": spec.nullable} if spec.nullable else None,
    )


def as_columns(columns: Sequence[steps.Column]) -> list[Column]:
    """Columns of a plan as the formats take them."""
    return [Column(c.name, c.type) for c in columns]


@dataclass(frozen=True)
class Part:
    """Records that have been read: their keys and values as columns, and the bounds of the keys' windows, where they have some."""

    places: pa.Array
    partitions: pa.Array
    offsets: pa.Array | None
    """Where the query asks for ROWOFFSET."""
    timestamps: pa.Array
    headers: pa.Array
    key: Decoded
    value: Decoded
    starts: pa.Array
    ends: pa.Array

    def __len__(self) -> int:
        return len(self.places)


@dataclass
class Source:
    """One topic, as one source of a query. Before each cycle it takes the records of its batch, in parts, in processing order."""

    step: steps.Source
    name: str
    schemas: SchemaRegistry
    old: bool = False
    strict_time: bool = False
    """A row without a good time stops the query (ksql.timestamp.throw.on.invalid)."""
    strict: bool = False
    """A record that cannot be read stops the query (ksql.fail.on.deserialization.error)."""
    key_decoder: Decoder = field(init=False)
    value_decoder: Decoder = field(init=False)
    parts: list[Part] = field(default_factory=list, init=False)
    piles: dict[str, Pile] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        step = self.step
        headers = {h.name for h in step.headers}
        wanted = {c.name.removeprefix(step.prefix) for c in step.schema.columns} | ({step.timestamp.column} if step.timestamp else set())
        stored = [c for c in step.columns.value if c.name not in headers]
        read = stored if step.value_format.name in POSITIONAL else [c for c in stored if c.name in wanted] or stored[:1]
        self.read = read
        wrap = step.value_format.wrap_single is not False or len(stored) != 1
        self.key_decoder = formats.decoder(
            step.key_format.name, as_columns(step.columns.key), options(step.key_format, step.topic, is_key=True), self.schemas
        )
        self.value_decoder = formats.decoder(
            step.value_format.name, as_columns(read), options(step.value_format, step.topic, is_key=False, wrap=wrap), self.schemas
        )
        self.codec = RowCodec([c.type for c in step.schema.value])

    # ------------------------------------------------------------------------------------------ records to columns

    def clear(self) -> None:
        """Forget the records of the batch before."""
        self.parts.clear()
        self.piles.clear()

    def take(self, records: Records, most: int = 0) -> None:
        """Add records to the batch: all of it, or a part where it will have at most so many. They are read at once and not kept: neither their bytes
        nor, in a large batch, the columns made of them need memory beside those of the next ones."""
        part = self.read_part(records)
        self.parts.append(part if most < PILED_FROM else self.piled(part, most))

    def piled(self, part: Part, most: int) -> Part:
        """The part with its columns behind those of the part before."""
        def add(name: str, column: pa.Array) -> pa.Array:
            return self.piles.setdefault(name, Pile(most)).add(column)

        def add_all(side: str, decoded: Decoded) -> Decoded:
            return replace(decoded, columns=[add(f"{side} {i}", column) for i, column in enumerate(decoded.columns)])

        return replace(part, timestamps=add("time", part.timestamps), key=add_all("key", part.key), value=add_all("value", part.value))

    def read_part(self, records: Records) -> Part:
        """Records as columns."""
        keys, starts, ends = split_windows(records.keys, self.step.window)
        times = pa.array(records.timestamps.to_numpy().copy())  # they may lie in the same memory as the values
        key, value = self.key_decoder(keys), self.value_decoder(records.values)
        offsets = records.offsets if "ROWOFFSET" in self.step.pseudo else None
        return Part(records.places, records.partitions, offsets, times, records.headers, key, value, starts, ends)

    # ------------------------------------------------------------------------------------------ columns to rows

    def run(self, cycle: Cycle) -> Stage:
        """The rows of the records, which are the cycle's from now on; what could not be read is reported and left out."""
        parts, self.parts, self.piles = self.parts, [], {}
        tables = [self.rows(cycle, part) for part in parts or [self.read_part(EMPTY)]]
        table = pa.concat_tables(tables) if len(tables) > 1 else tables[0]
        return self.stage(cycle, self.stamped(cycle, table) if self.step.timestamp and parts else table)

    def rows(self, cycle: Cycle, part: Part) -> pa.Table:
        """The rows of a part that could be read."""
        keep = self.readable(cycle, part)
        table = pa.table(self.arrays(part))
        return table if keep.all() else table.filter(pa.array(keep))

    def readable(self, cycle: Cycle, part: Part) -> npt.NDArray[np.bool_]:
        """Which rows go on; the others are reported."""
        keep = np.ones(len(part), bool)
        for side, decoded in (("key", part.key), ("value", part.value)):
            for error in decoded.errors:
                if self.strict:
                    topic, partition, offset = cycle.origin.of(part.places[error.row].as_py())
                    raise DataError(
                        f"Topic {topic}, partition {partition}, offset {offset}: {side}: {error.reason}.",
                        mend="Without 'ksql.fail.on.deserialization.error' such a record is logged and passed over.",
                    )
                if keep[error.row]:
                    cycle.fault("DESERIALIZATION", f"{side}: {error.reason}", part.places[error.row].as_py())
                keep[error.row] = False
        if self.step.kind == "TABLE":
            # a key of one column may read as NULL, too: an empty text, say, or JSON's null
            key = part.key
            known = key.present if len(key.columns) != 1 else pc.and_(key.present, key.columns[0].is_valid())
            for row in np.flatnonzero(keep & ~known.to_numpy(zero_copy_only=False)).tolist():
                cycle.fault("DESERIALIZATION", f"key: NULL, but a row of the table {self.step.source} needs a key", part.places[row].as_py())
                keep[row] = False
        return keep

    def arrays(self, part: Part) -> dict[str, pa.Array]:
        """The columns `c` of the step's schema and the meta columns; `_stamp` where the WITH clause names a timestamp column."""
        step = self.step
        known: dict[str, pa.Array] = {
            "ROWTIME": part.timestamps, "ROWPARTITION": part.partitions, "ROWOFFSET": part.offsets,
            "WINDOWSTART": part.starts, "WINDOWEND": part.ends,
        }  # fmt: skip
        known = {name: array for name, array in known.items() if name in step.pseudo}
        known |= {c.name: a for c, a in zip(step.columns.key, part.key.columns, strict=True)}
        known |= {c.name: a for c, a in zip(self.read, part.value.columns, strict=True)}
        known |= {h.name: header_column(part.headers, h.header) for h in step.headers}
        columns = {f"c{i}": known[c.name.removeprefix(step.prefix)] for i, c in enumerate(step.schema.columns)}
        columns |= {"_t": part.timestamps, "_p": part.partitions, "_o": part.places, "_g": part.places, "_present": part.value.present}
        if step.window:
            columns |= {"_ws": part.starts, "_we": part.ends}
        if step.timestamp:
            columns["_stamp"] = known[step.timestamp.column]
        return columns

    def stamped(self, cycle: Cycle, table: pa.Table) -> pa.Table:
        """Take the rows' time from the timestamp column; a row without a good one is reported and left out."""
        spec = self.step.timestamp
        assert spec
        column_type = next(c.type for c in self.step.columns.columns if c.name == spec.column)
        if column_type == BIGINT:
            sql = "_stamp"
        elif column_type == STRING:
            resolved = functions.resolve_scalar("STRINGTOTIMESTAMP", [STRING, STRING])
            cycle.need(resolved.needs)
            sql = resolved.sql(["_stamp", text(spec.format or "yyyy-MM-dd'T'HH:mm:ssX")])
        else:
            sql = "epoch_ms(_stamp)"
        times = one_chunk(cycle.table(f"SELECT TRY({sql}) AS t FROM {cycle.bind(table)}")["t"]).cast(pa.int64())
        good = pc.and_(pc.is_valid(times), pc.greater_equal(pc.fill_null(times, -1), 0)).to_numpy(zero_copy_only=False)
        # a tombstone has no column to read: it keeps the time of its record
        present = one_chunk(table["_present"]).to_numpy(zero_copy_only=False)
        times = pc.if_else(pa.array(present), times, one_chunk(table["_t"]))
        for row in np.flatnonzero(~good & present).tolist():
            value = one_chunk(table["_stamp"])[row].as_py()
            bad_time(cycle, "DESERIALIZATION", spec.column, value, table["_g"][row].as_py(), stop=self.strict_time)
        table = table.set_column(table.column_names.index("_t"), "_t", times)
        if "ROWTIME" in self.step.pseudo:
            at = [c.name.removeprefix(self.step.prefix) for c in self.step.schema.columns].index("ROWTIME")
            table = table.set_column(at, f"c{at}", times)
        return table.filter(pa.array(good | ~present))

    # ------------------------------------------------------------------------------------------ the stage

    def stage(self, cycle: Cycle, table: pa.Table) -> Stage:
        """The stage of decoded rows, of a table with the row before each change where that is asked for."""
        step = self.step
        table_kind = step.kind == "TABLE"
        if table_kind and self.old:
            table = self.with_old(cycle, table)
        columns = [f"c{i}" for i in range(len(step.schema.columns))]
        meta = ["_t", "_p", "_o", "_g", "_present", *(["_ws", "_we"] if step.window else []), *(["_old"] if table_kind and self.old else [])]
        partition = only_partition(table)
        disorder, oldest = disorder_ms(table, partition)
        return Stage(
            cycle.rows(table.select([*columns, *meta])), step.schema, is_table=table_kind, windowed=step.window is not None,
            old=table_kind and self.old, disorder_ms=disorder, oldest_ms=oldest, empty=table.num_rows == 0, rows=table.num_rows,
            partition=partition, in_place=True,
        )  # fmt: skip

    def with_old(self, cycle: Cycle, table: pa.Table) -> pa.Table:
        """Add the row before each change, from the table's stored rows and the changes before it in the batch; store the new rows."""
        step = self.step
        width, keyed = len(step.schema.columns), len(step.schema.key)
        types = [c.type for c in step.schema.value]
        names = [f"c{i}" for i in range(keyed, width)]
        key_types = [c.type for c in step.schema.key]
        keys = [bounded(k) for k in pack_keys(cycle.arrays(table, [f"c{i}" for i in range(keyed)], key_types), key_types)]
        if step.window:
            keys = [bounded(k + s.to_bytes(8, "big")) for k, s in zip(keys, table["_ws"].to_pylist(), strict=True)]
        values = cycle.arrays(table, names, types)
        present = one_chunk(table["_present"]).to_pylist()
        distinct = sorted(set(keys))
        store = Rows(cycle.state(f"{self.name}/rows"), self.codec)
        had, stored = store.lookup(distinct)
        # a row is known by its number among the stored rows followed by the batch's; -1 where there is none
        held = {key: i if h else -1 for i, (key, h) in enumerate(zip(distinct, had, strict=True))}
        before = np.empty(len(keys), np.int64)
        for row, (key, there) in enumerate(zip(keys, present, strict=True)):
            before[row] = held[key]
            held[key] = len(distinct) + row if there else -1
        pool = [pa.concat_arrays([s, v]) for s, v in zip(stored, values, strict=True)]
        index = pa.array(np.maximum(before, 0), mask=before < 0)
        fields = [pa.field(name, arrow_type(t)) for name, t in zip(names, types, strict=True)]
        olds = [p.take(index) for p in pool]
        if not fields:
            olds, fields = [pa.nulls(len(keys), pa.bool_())], [pa.field("c_", pa.bool_())]
        old = pa.StructArray.from_arrays(olds, fields=fields, mask=pa.array(before < 0))
        last = {key: row for row, key in enumerate(keys)}
        kept = sorted((key, row) for key, row in last.items() if present[row])
        if kept:
            rows = pa.array([row for _, row in kept])
            store.put([key for key, _ in kept], [v.take(rows) for v in values])
        store.delete([key for key, row in last.items() if not present[row]])
        return table.append_column("_old", old)


EMPTY = Records(*(pa.array([], t) for t in (pa.int64(), pa.int32(), pa.int64(), pa.int64(), pa.binary(), pa.binary(), HEADERS)))


def bad_time(cycle: Cycle, kind: str, column: str, value: object, place: int, *, stop: bool) -> None:
    """Report a timestamp column that gives no time; with `stop` (ksql.timestamp.throw.on.invalid) raise DataError, which stops the query."""
    wrong = "NULL is not a timestamp" if value is None else f"{value!r} is not a timestamp" if isinstance(value, str) else (
        f"{value} is before 1970, and the time of no record is"
    )  # fmt: skip
    reason = f"{column}: {wrong}"
    if stop:
        topic, partition, offset = cycle.origin.of(place)
        raise DataError(
            f"Topic {topic}, partition {partition}, offset {offset}: {reason}.",
            mend="Without 'ksql.timestamp.throw.on.invalid' such a record is logged and passed over.",
        )
    cycle.fault(kind, reason, place)


def empty_windows(rows: int) -> tuple[pa.Array, pa.Array]:
    """Starts and ends for rows that have no window."""
    return pa.nulls(rows, pa.int64()), pa.nulls(rows, pa.int64())


def only_partition(table: pa.Table) -> int | None:
    """The partition of all rows; None where they are of several, or there are none."""
    least, most = pc.min_max(table["_p"]).as_py().values()
    return int(least) if least is not None and least == most else None


def disorder_ms(table: pa.Table, only: int | None) -> tuple[int, int]:
    """How far a row lies behind the newest row before it in its partition, at most, and the oldest row's time. `only`: the one partition of all
    rows, None where they are of several."""
    worst, oldest, newest = 0, 1 << 62, dict[int, int]()
    for batch in table.select(["_t", "_p"]).to_batches():
        time, partition = (column.to_numpy(zero_copy_only=False) for column in batch.columns)
        for p in np.unique(partition).tolist() if only is None else [only]:
            part = time if only is not None else time[partition == p]
            reached = np.maximum.accumulate(part)
            np.maximum(reached, newest.get(p, -1), out=reached)
            worst, newest[p] = max(worst, int((reached - part).max())), int(reached[-1])
        oldest = min(oldest, int(time.min()))
    return worst, oldest


def split_windows(keys: pa.Array, window: steps.WindowedKey | None) -> tuple[pa.Array, pa.Array, pa.Array]:
    """The plain keys and the windows' bounds: behind a key stand 8 bytes of start, or a session's 8 of end and 8 of start, big endian."""
    if window is None:
        return keys, *empty_windows(0)
    rows: list[tuple[bytes | None, int | None, int | None]] = []
    for key in keys.to_pylist():
        if key is None:
            rows.append((None, None, None))
        elif window.kind == "SESSION":
            rows.append((key[:-16], int.from_bytes(key[-8:], "big"), int.from_bytes(key[-16:-8], "big")))
        else:
            start = int.from_bytes(key[-8:], "big")
            rows.append((key[:-8], start, start + (window.size_ms or 0)))
    plain, starts, ends = zip(*rows, strict=True) if rows else ((), (), ())
    return pa.array(plain, pa.binary()), pa.array(starts, pa.int64()), pa.array(ends, pa.int64())


def header_column(headers: pa.Array, name: str | None) -> pa.Array:
    """All headers, or the value of the last one of a name."""
    rows = headers.to_pylist()
    if name is None:
        return pa.array([[{"KEY": h["key"], "VALUE": h["value"]} for h in row or []] for row in rows], HEADERS)
    return pa.array([next((h["value"] for h in reversed(row or []) if h["key"] == name), None) for row in rows], arrow_type(BYTES))



