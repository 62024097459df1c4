"""The two sides of a join: a cycle's rows as plain arrays, their state keys, and the joined rows taken from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from penstock.engine.evaluate import one_chunk
from penstock.engine.operators.contract import Operator
from penstock.engine.rows import RowCodec, pack_key_array
from penstock.engine.stage import Cycle, Stage
from penstock.engine.state import KEY_BYTES_MAX, bounded
from penstock.plan import steps
from penstock.sql.types import BIGINT, SqlType

Numbers64 = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Picks = tuple[Numbers64, Numbers64]
"""For each joined row, the numbers of its rows on the left and on the right; -1 where there is none."""

EMPTY = pa.scalar(b"", pa.binary())
LONGEST_AGO = -(1 << 62)
NEVER = 1 << 62


@dataclass(frozen=True)
class Rows:
    """Rows of one side. `bounds` holds the columns of the windows' start and end where the side is windowed, else nothing."""

    columns: list[pa.Array]
    times: Numbers64
    bounds: list[pa.Array]

    def __len__(self) -> int:
        return len(self.times)

    def followed_by(self, other: Rows) -> Rows:
        """These rows and then the other's."""
        if not len(other):
            return self
        columns = [pa.concat_arrays([a, b]) for a, b in zip(self.columns, other.columns, strict=True)]
        bounds = [pa.concat_arrays([a, b]) for a, b in zip(self.bounds, other.bounds, strict=True)]
        return Rows(columns, np.concatenate([self.times, other.times]), bounds)


@dataclass(frozen=True)
class Arrivals:
    """A cycle's rows of one side in processing order. `records` holds the places of the source records that brought them."""

    rows: Rows
    records: Numbers64
    present: Flags


@dataclass(frozen=True)
class Side:
    """What is known of one input of a join."""

    input: Operator

    @property
    def schema(self) -> steps.Schema:
        """The input's columns."""
        return self.input.step.schema

    @cached_property
    def windowed(self) -> bool:
        """Whether a window belongs to the key."""
        return is_windowed(self.input.step)

    @property
    def types(self) -> list[SqlType]:
        """The types of the input's columns."""
        return [c.type for c in self.schema.columns]

    def codec(self, *more: SqlType) -> RowCodec:
        """How a row is stored: its columns, its window's bounds where windowed, its time, and more."""
        return RowCodec([*self.types, *([BIGINT, BIGINT] if self.windowed else []), BIGINT, *more])

    def stored(self, rows: Rows) -> list[pa.Array]:
        """The columns of stored rows, in the order of `codec`."""
        return [*rows.columns, *rows.bounds, pa.array(rows.times)]

    def loaded(self, columns: Sequence[pa.Array]) -> Rows:
        """The inverse of `stored`; further columns are left alone."""
        width = len(self.types)
        bounds = 2 if self.windowed else 0
        times = columns[width + bounds].fill_null(0).to_numpy(zero_copy_only=False)
        return Rows(list(columns[:width]), times, list(columns[width : width + bounds]))

    def arrivals(self, cycle: Cycle, stage: Stage, condition: str) -> Arrivals:
        """Run a stage; its rows that have a key and satisfy the condition, in processing order."""
        if stage.empty:
            none = np.zeros(0, np.int64)
            return Arrivals(self.loaded(self.codec().decode([])), none, none.astype(bool))
        width = len(self.types)
        bounds = ["_ws", "_we"] if self.windowed else []
        columns = [f"c{i}" for i in range(width)]
        wanted = [*columns, *bounds, "_t", "_g", "_o", "_present"]
        # a key of several columns may have a NULL among them
        keyed = len(self.schema.key) == 1
        known = cycle.known(stage) if condition == "_present" else None
        if known is not None:
            keep = one_chunk(known["_present"])
            keep = pc.and_(keep, one_chunk(known["c0"]).is_valid()) if keyed else keep
            table = known.select(wanted) if pc.all(keep).as_py() else known.select(wanted).filter(keep)
        else:
            table = cycle.table(f"SELECT {', '.join(wanted)} FROM ({stage.sql}) WHERE {condition}{' AND c0 IS NOT NULL' if keyed else ''}")
        records, places = (one_chunk(table[name]).to_numpy(zero_copy_only=False) for name in ("_g", "_o"))
        if len(places) and not (places[1:] > places[:-1]).all():
            table = table.take(pa.array(np.argsort(places)))
            records = one_chunk(table["_g"]).to_numpy(zero_copy_only=False)
        rows = Rows(
            cycle.arrays(table, columns, self.types),
            one_chunk(table["_t"]).to_numpy(zero_copy_only=False),
            [one_chunk(table[name]).cast(pa.int64()) for name in bounds],
        )
        return Arrivals(rows, records, one_chunk(table["_present"]).to_numpy(zero_copy_only=False))

    def keys(self, rows: Rows) -> list[bytes]:
        """The rows' state keys: their key, with its window where windowed. The key must not be NULL."""
        keys: list[bytes] = self.key_array(rows).to_pylist()
        return keys

    def key_array(self, rows: Rows) -> pa.Array:
        """The same as an array of binary."""
        keyed = len(self.schema.key)
        keys = pack_key_array(rows.columns[:keyed], self.types[:keyed])
        if self.windowed:
            keys = pc.binary_join_element_wise(keys, *(sortable(b.to_numpy(zero_copy_only=False)) for b in rows.bounds), EMPTY)
        if (pc.max(pc.binary_length(keys)).as_py() or 0) > KEY_BYTES_MAX:
            keys = pa.array(map(bounded, keys.to_pylist()), pa.binary())
        return keys


def is_windowed(step: steps.Step) -> bool:
    """Whether a step's rows have a window beside their key."""
    match step:
        case steps.Source() | steps.Aggregate():
            return step.window is not None
        case steps.Filter() | steps.Select() | steps.FlatMap() | steps.Suppress():
            return is_windowed(step.input)
        case steps.StreamTableJoin() | steps.StreamStreamJoin() | steps.TableTableJoin() | steps.ForeignKeyJoin():
            return is_windowed(step.left)
    return False


def take(column: pa.Array, index: Numbers64) -> pa.Array:
    """The items of these numbers; NULL where a number is negative."""
    missing = index < 0
    if missing.all():
        return pa.nulls(len(index), column.type)
    return column.take(pa.array(index, mask=missing) if missing.any() else pa.array(index))


def joined(
    schema: steps.Schema, sides: tuple[Side, Side], rows: tuple[Rows, Rows], picks: Picks, owners: tuple[Numbers64, Numbers64 | None]
) -> dict[str, pa.Array]:
    """The joined rows: the columns of `schema` as c0, c1, ..., and the window's bounds as _ws, _we. `picks` numbers each one's row of the left
    and of the right, negative for none; `owners` those that give it its key and window (the first that is there)."""
    places = {c.name: (side, number) for side in (1, 0) for number, c in enumerate(sides[side].schema.columns)}

    def owned(left: pa.Array, right: pa.Array | None) -> pa.Array:
        column = take(left, owners[0])
        return column if owners[1] is None or right is None else pc.coalesce(column, take(right, owners[1]))

    both = owners[1] is not None
    table = {f"c{i}": owned(rows[0].columns[i], rows[1].columns[i] if both else None) for i in range(len(schema.key))}
    for i, column in enumerate(schema.value, len(schema.key)):
        side, number = places[column.name]
        table[f"c{i}"] = take(rows[side].columns[number], picks[side])
    for i, name in enumerate(["_ws", "_we"] if rows[0].bounds else []):
        table[name] = owned(rows[0].bounds[i], rows[1].bounds[i] if both else None)
    return table


def latest(times: Numbers64, picks: Numbers64) -> Numbers64:
    """The times of the picked rows; long ago where there is none."""
    return np.where(picks < 0, LONGEST_AGO, times[np.maximum(picks, 0)]) if len(times) else np.full(len(picks), LONGEST_AGO)


def numbered(keys: Sequence[Sequence[bytes]]) -> list[Numbers64]:
    """For each list of keys, a number for each key: the same where the keys are the same."""
    together = pa.array([key for part in keys for key in part], pa.binary())
    numbers = together.dictionary_encode().indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return np.split(numbers, np.cumsum([len(part) for part in keys])[:-1])


def marked(key: bytes) -> bytes:
    """A key behind its length, so that none is the beginning of another."""
    return len(key).to_bytes(2, "big") + key


def all_marked(keys: pa.Array) -> pa.Array:
    """The same of an array of binary."""
    lengths = pc.binary_length(keys).to_numpy(zero_copy_only=False).astype(">u2")
    marks = pa.FixedSizeBinaryArray.from_buffers(pa.binary(2), len(lengths), [None, pa.py_buffer(lengths)]).cast(pa.binary())
    return pc.binary_join_element_wise(marks, keys, EMPTY)


def sortable(numbers: Numbers64) -> pa.Array:
    """Signed numbers as 8 bytes each that sort as the numbers do."""
    raw = (numbers.astype(np.uint64) ^ np.uint64(1 << 63)).astype(">u8")
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(8), len(raw), [None, pa.py_buffer(raw)]).cast(pa.binary())


def big_endians(numbers: Numbers64) -> list[bytes]:
    """`sortable` as a list."""
    found: list[bytes] = sortable(numbers).to_pylist()
    return found
