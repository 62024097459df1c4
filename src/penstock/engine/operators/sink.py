"""Writing to a topic: rows become records, in processing order."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import starmap

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock import formats, functions
from penstock.engine.evaluate import one_chunk
from penstock.engine.operators.contract import Operator
from penstock.engine.operators.source import as_columns, bad_time, options
from penstock.engine.stage import Cycle, Stage
from penstock.engine.state import KEY_BYTES_MAX, bounded
from penstock.formats.contract import Encoder
from penstock.functions.duckdb import text
from penstock.log.partition import partitions_for
from penstock.log.protocol import RECORD_FIELDS, Append
from penstock.log.records import HEADERS
from penstock.plan import steps
from penstock.registry.model import SchemaRegistry
from penstock.sql.types import STRING, TIMESTAMP

SORTED_ROWS_MAX = 100_000
"""A batch of more changes of a table than this stays in the order of the state's keys."""

PART_ROWS = 100_000
"""So many rows are encoded and appended at a time: what that takes of memory is used again by the next."""


@dataclass
class Sink:
    """The end of a persistent query. With `materialise` (a table whose rows no aggregate keeps) each key's last record is kept for pull queries."""

    step: steps.Sink
    input: Operator
    schemas: SchemaRegistry
    materialise: bool = False
    strict_time: bool = False
    key_encoder: Encoder = field(init=False)
    value_encoder: Encoder = field(init=False)

    def __post_init__(self) -> None:
        step = self.step
        value_options = options(step.value_format, step.topic, is_key=False)
        self.key_encoder = formats.encoder(
            step.key_format.name, as_columns(step.schema.key), options(step.key_format, step.topic, is_key=True), self.schemas
        )
        self.value_encoder = formats.encoder(step.value_format.name, as_columns(step.schema.value), value_options, self.schemas)

    def run(self, cycle: Cycle) -> Stage:
        """Write the cycle's rows: the records become part of the cycle. A row that cannot be written is reported."""
        stage = self.input.run(cycle)
        if stage.empty:
            return stage
        step = self.step
        table = cycle.table(self.sql(cycle, stage))
        order = one_chunk(table["_o"]).to_numpy(zero_copy_only=False)
        # a table's last change of each key may stand anywhere among those of other keys: many of them are not sorted for nothing
        any_order = stage.is_table and step.window is None and not cycle.every_change and len(order) > SORTED_ROWS_MAX
        if not any_order and not bool((order[1:] >= order[:-1]).all()):
            table = table.take(pa.array(np.argsort(order, kind="stable")))
        # as in Kafka Streams, a record that follows from another has its headers
        headers = cycle.origin.headers(one_chunk(table["_g"]))
        for start in range(0, table.num_rows, PART_ROWS):
            self.write_rows(cycle, table.slice(start, PART_ROWS), None if headers is None else headers.slice(start, PART_ROWS))
        return stage

    def write_rows(self, cycle: Cycle, table: pa.Table, headers: pa.Array | None) -> None:
        """Write rows, of which there are some, in their order, with these headers or none."""
        step = self.step
        columns = cycle.arrays(table, [f"c{i}" for i in range(len(step.schema.columns))], [c.type for c in step.schema.columns])
        present = one_chunk(table["_present"])
        keyed = len(step.schema.key)
        has_key = pa.array(np.ones(len(present), bool)) if keyed else pa.array(np.zeros(len(present), bool))
        if keyed:
            for column in columns[:keyed]:
                has_key = pc.and_(has_key, column.is_valid()) if keyed == 1 else has_key
        keys = self.key_encoder(columns[:keyed], has_key)
        values = self.value_encoder(columns[keyed:], present)
        key_bytes, value_bytes, times = keys.data, values.data, one_chunk(table["_t"]).cast(pa.int64())
        bad = {e.row for e in keys.errors} | {e.row for e in values.errors}
        for error in [*keys.errors, *values.errors]:
            cycle.fault("SERIALIZATION", error.reason, table["_g"][error.row].as_py())
        if step.window:
            key_bytes = with_window(key_bytes, step.window, one_chunk(table["_ws"]), one_chunk(table["_we"]))
        partitions = self.partitions(key_bytes, one_chunk(table["_p"]))
        if bad:
            good = np.setdiff1d(np.arange(table.num_rows), list(bad))
            index = pa.array(good)
            key_bytes, value_bytes, times = key_bytes.take(index), value_bytes.take(index), times.take(index)
            partitions, headers = partitions[good], None if headers is None else headers.take(index)
        self.write(cycle, key_bytes, value_bytes, times, partitions, headers)

    def sql(self, cycle: Cycle, stage: Stage) -> str:
        """The stage, its time taken from the timestamp column where the WITH clause names one; a row whose time is bad is reported."""
        spec = self.step.timestamp
        if spec is None:
            return stage.sql
        column = next(f"c{i}" for i, c in enumerate(self.step.schema.columns) if c.name == spec.column)
        type_ = next(c.type for c in self.step.schema.columns if c.name == spec.column)
        sql = column
        if type_ == STRING:
            resolved = functions.resolve_scalar("STRINGTOTIMESTAMP", [STRING, STRING])
            cycle.need(resolved.needs)
            sql = f"TRY({resolved.sql([column, text(spec.format or '')])})"
        elif type_ == TIMESTAMP:
            sql = f"epoch_ms({column})"
        held, table = cycle.held(stage)
        stamped = cycle.table(f"SELECT *, {sql} AS _stamp FROM ({held.sql})")
        good = pc.greater_equal(pc.fill_null(one_chunk(stamped["_stamp"]).cast(pa.int64()), -1), 0)
        usable = pc.or_(good, pc.invert(one_chunk(stamped["_present"])))
        for row in np.flatnonzero(~usable.to_numpy(zero_copy_only=False)).tolist():
            value = table[column][row].as_py()
            bad_time(cycle, "SERIALIZATION", spec.column, value, table["_g"][row].as_py(), stop=self.strict_time)
        name = cycle.bind(stamped.filter(usable))
        return f"SELECT * REPLACE (CASE WHEN _present THEN _stamp ELSE _t END AS _t) FROM {name}"

    def partitions(self, keys: pa.Array, source: pa.Array) -> np.ndarray:
        """A record's partition: its key's by Kafka's default rule; without a key its source record's."""
        if self.step.partitions == 1:
            return np.zeros(len(keys), np.int32)
        return np.where(
            keys.is_valid().to_numpy(zero_copy_only=False),
            partitions_for(keys, self.step.partitions),
            source.to_numpy(zero_copy_only=False) % self.step.partitions,
        )

    def write(self, cycle: Cycle, keys: pa.Array, values: pa.Array, times: pa.Array, partitions: np.ndarray, headers: pa.Array | None) -> None:
        """Add records to the cycle, by partition, and keep each key's last one where pull queries read it here."""
        headers = pa.nulls(len(keys), HEADERS) if headers is None else headers
        batch = pa.RecordBatch.from_arrays([times, keys, values, headers], names=list(RECORD_FIELDS))
        for partition in range(self.step.partitions):
            rows = batch if self.step.partitions == 1 else batch.filter(pa.array(partitions == partition))
            if rows.num_rows:
                cycle.append(Append(self.step.topic, partition, rows))
        if self.materialise:
            keep_last(cycle, f"table/{self.step.target}", keys, values, times)


def keep_last(cycle: Cycle, name: str, keys: pa.Array, values: pa.Array, times: pa.Array) -> None:
    """Store each key's last record, forget the deleted."""
    store = cycle.state(name)
    last: dict[bytes, tuple[bytes | None, int]] = dict(
        zip(keys.to_pylist(), zip(values.to_pylist(), times.to_pylist(), strict=True), strict=True)
    )
    store.put_many(sorted((bounded(k), kept(k, v, t)) for k, (v, t) in last.items() if v is not None))
    store.delete_many([bounded(k) for k, (v, _) in last.items() if v is None])


def kept(key: bytes, value: bytes, time: int) -> bytes:
    """A record as it is stored under its key: its time in 8 bytes, the key's length in 4 and the key where it is too long to be the store's own
    (else 0 and nothing), then its value."""
    longer = key if len(key) > KEY_BYTES_MAX else b""
    return time.to_bytes(8, "big", signed=True) + len(longer).to_bytes(4, "big") + longer + value


def unkept(state_key: bytes, stored: bytes) -> tuple[bytes, bytes, int]:
    """A stored record's key, value and time."""
    behind = 12 + int.from_bytes(stored[8:12], "big")
    return stored[12:behind] or state_key, stored[behind:], int.from_bytes(stored[:8], "big", signed=True)


def with_window(keys: pa.Array, window: steps.WindowedKey, starts: pa.Array, ends: pa.Array) -> pa.Array:
    """The keys with their windows behind them, as Kafka Streams writes them: 8 bytes of start, or of a session's end and then start, big endian."""
    bounds = [starts] if window.kind != "SESSION" else [ends, starts]
    parts = list(starmap(big_endian_column, ((b,) for b in bounds)))
    return pc.binary_join_element_wise(keys, *parts, b"")


def big_endian_column(numbers: pa.Array) -> pa.Array:
    """Whole numbers as 8 bytes each."""
    raw = numbers.cast(pa.int64()).to_numpy(zero_copy_only=False).astype(">i8")
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(8), len(raw), [None, pa.py_buffer(raw.tobytes())]).cast(pa.binary())



