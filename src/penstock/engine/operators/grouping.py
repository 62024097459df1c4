"""A set of aggregates: their SQL, and the groups that are stored of them."""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from penstock import functions
from penstock.engine.keys import Keys
from penstock.engine.rows import RowCodec
from penstock.engine.sql import Compiler, argument_of
from penstock.engine.stage import Cycle
from penstock.engine.state import big_endian
from penstock.engine.table import Table
from penstock.functions.definition import ResolvedAggregate
from penstock.functions.duckdb import duckdb_type
from penstock.plan import expressions as ex
from penstock.plan import steps
from penstock.sql.types import BIGINT, INTEGER, SqlType

if TYPE_CHECKING:
    from penstock.log.protocol import StateStore

WINDOW_PREFIX_BYTES = 10


def resolve(call: ex.AggregateCall, properties: Mapping[str, str]) -> ResolvedAggregate:
    """The aggregate function that a call means, by the types and constants of its arguments, and the settings of its query."""
    return functions.resolve_aggregate(call.name, [argument_of(a) for a in call.arguments], properties)


@dataclass
class Grouping:
    """The SQL of a set of aggregates: their partials, merges and results, over numbered state columns."""

    step: steps.Aggregate
    properties: Mapping[str, str]
    calls: list[ResolvedAggregate] = field(init=False)
    keys: tuple[SqlType, ...] = field(init=False)
    carried: tuple[SqlType, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.calls = [resolve(call, self.properties) for call in self.step.aggregates]
        schema = self.step.schema
        self.keys = tuple(c.type for c in schema.key)
        self.carried = tuple(c.type for c in schema.value[: len(self.step.carried)])
        self.state = tuple(t for call in self.calls for t in call.state)
        # a stored row: the key's columns, the carried ones, the aggregates' state, timestamp and partition; the last but the partition are looked up
        self.codec = RowCodec([*self.keys, *self.carried, *self.state, BIGINT, INTEGER])
        self.width = len(self.keys) + len(self.carried)
        self.stored = [f"c{i}" for i in range(self.width)] + [f"m{i}" for i in range(len(self.state))] + ["_t", "_p"]
        self.looked_up = range(self.width, self.width + len(self.state) + 1)
        self.unchanged = self._unchanged()
        # the state columns that a value of the batch's replaces
        self.newest = [i for i, sql in enumerate(self._merges()) if sql == f"coalesce(s{i}, h{i})"]

    def partials(self, compiler: Compiler) -> list[str]:
        """The state of a batch's rows alone: an aggregate call for each column `s0`..."""
        calls = zip(self.step.aggregates, self.calls, strict=True)
        return [part for call, resolved in calls for part in resolved.partial([compiler(a) for a in call.arguments], "_o")]

    def named(self, partials: Sequence[str], over: str = "", without: Container[str] = ()) -> list[str]:
        """The partials as columns, but for some. `over` is a window clause, or empty where the query groups."""
        typed = enumerate(zip(partials, self.state, strict=True))
        return [f"CAST({part}{over} AS {duckdb_type(type_)}) AS s{i}" for i, (part, type_) in typed if f"s{i}" not in without]

    def merges(self, *, combine: bool = False) -> list[str]:
        """New state columns `m0`... out of the stored `h0`... and the partial `s0`..., which with `combine` is a stored state too."""
        typed = enumerate(zip(self._merges(combine=combine), self.state, strict=True))
        return [f"CAST({sql} AS {duckdb_type(type_)}) AS m{i}" for i, (sql, type_) in typed]

    def _merges(self, *, combine: bool = False) -> list[str]:
        sqls: list[str] = []
        for resolved in self.calls:
            span = range(len(sqls), len(sqls) + len(resolved.state))
            join = resolved.combine if combine and resolved.combine else resolved.merge
            sqls += join([f"h{i}" for i in span], [f"s{i}" for i in span])
        return sqls

    def begun(self, partials: str) -> str:
        """The rows of a query with partial states, these made into states as they are stored: merged with a new key's."""
        none = (f"CAST(NULL AS {duckdb_type(t)}) AS h{i}" for i, t in enumerate(self.state))
        states = (f"m{i} AS s{i}" for i in range(len(self.state)))
        merged = f"SELECT *, {', '.join(self.merges())} FROM (SELECT *, {', '.join(none)} FROM ({partials}))" if self.state else partials
        replaced = f"* EXCLUDE ({', '.join(f'{c}{i}' for i in range(len(self.state)) for c in 'hms')}), {', '.join(states)}"
        return f"SELECT {replaced} FROM ({merged})" if self.state else merged

    def _unchanged(self) -> dict[int, int]:
        """The aggregates whose value is a column of their state as it is: an aggregate's number -> that of the column."""
        found, number = {}, 0
        for i, (call, resolved) in enumerate(zip(self.step.aggregates, self.calls, strict=True)):
            value = resolved.result([f"m{n}" for n in range(len(resolved.state))])
            if value == "m0" and resolved.state[0] == call.type and not resolved.is_users_own:
                found[i] = number
            number += len(resolved.state)
        return found

    def results(self, prefix: str, *, careful: bool) -> list[str]:
        """The aggregates' values, out of state columns of the given prefix. In a careful cycle one that a user's function fails at is NULL."""
        sqls, number = [], 0
        for call, resolved in zip(self.step.aggregates, self.calls, strict=True):
            span = range(number, number + len(resolved.state))
            value = resolved.result([f"{prefix}{i}" for i in span])
            sqls.append(f"CAST({f'TRY({value})' if careful and resolved.is_users_own else value} AS {duckdb_type(call.type)})")
            number += len(resolved.state)
        return sqls

    def report(self, cycle: Cycle, rows: pa.Table) -> None:
        """In a careful cycle, report the groups (state columns m, `_g`) whose result a user's function fails at."""
        number = 0
        for resolved in self.calls:
            if cycle.careful and resolved.is_users_own:
                cycle.report(rows, resolved.result([f"m{number + i}" for i in range(len(resolved.state))]))
            number += len(resolved.state)

    def table(self, store: StateStore) -> Table:
        """The groups that a store holds. The key of a windowed one begins with its window."""
        return Table(store, self.codec, WINDOW_PREFIX_BYTES if self.step.window else 0)

    @property
    def needs(self) -> list[Any]:
        """The Python functions that the SQL of these aggregates calls."""
        return [need for call in self.calls for need in call.needs]


def window_prefix(partition: int, start: int) -> bytes:
    """What the state keys of a window begin with: 2 bytes of partition, 8 of its start (ms), in the order of numbers."""
    return partition.to_bytes(2, "big") + big_endian(start)


def window_starts(keys: Keys) -> pa.Array:
    """The start (ms) of each key's window."""
    starts = np.array([int.from_bytes(prefix[2:], "big") - (1 << 63) for prefix in keys.prefixes], np.int64)
    return pa.array(starts[keys.groups])
