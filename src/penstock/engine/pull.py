"""Pull queries: an answer from what is there now, at one consistent moment.

A table's rows come from where they are kept: the groups of the aggregate that makes it, the last records that its query keeps, or its topic.
A key lookup reads just those keys. The rest of the query then runs over the rows like any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock import formats
from penstock.engine.build import Backing, Builder, backing
from penstock.engine.evaluate import EvaluationError, Evaluator
from penstock.engine.intake import gather
from penstock.engine.keys import Keys, state_keys
from penstock.engine.operators.contract import Operator
from penstock.engine.operators.grouping import Grouping, window_starts
from penstock.engine.operators.session import kept_sessions
from penstock.engine.operators.sink import unkept
from penstock.engine.operators.source import HEADERS, Records, Source, as_columns, options
from penstock.engine.pull_order import in_order
from penstock.engine.stage import Cycle, Stage
from penstock.engine.state import bounded
from penstock.engine.table import Table
from penstock.engine.task import Scratch
from penstock.errors import DataError
from penstock.functions.duckdb import duckdb_type
from penstock.plan import steps
from penstock.registry.model import SchemaRegistry
from penstock.sql.types import SqlType, arrow_type

if TYPE_CHECKING:
    from penstock.catalog.model import DataSource, PersistentQuery
    from penstock.log.protocol import Log, Snapshot
    from penstock.plan.expressions import Value

READ_RECORDS = 1_000_000


class Sources(Protocol):
    """Where pull queries look up what a name stands for."""

    def source(self, name: str) -> DataSource | None: ...

    def query(self, query_id: str) -> PersistentQuery | None: ...


@dataclass
class Fixed:
    """An operator that yields rows that are already there."""

    step: steps.Step
    stage: Stage

    def run(self, cycle: Cycle) -> Stage:
        """Those rows."""
        return self.stage


class Scan(Builder):
    """Builds a query's operators over the rows that are there now: a topic's or a table's, all in one batch. What state a join or an aggregate needs
    on the way lies in a log of its own."""

    def __init__(self, pull: Pull, snapshot: Snapshot, cycle: Cycle) -> None:
        super().__init__(pull.schemas, pull.properties)
        self._pull, self._snapshot, self._cycle = pull, snapshot, cycle

    def build(self, step: steps.Step, *, old: bool = False, every: bool = False) -> Operator:
        """The operator of a step; a source's yields its rows. `every` change of a join is none of rows that are all there at once."""
        only = self._pull.only_source
        if only is not None and only.kind == "TABLE":
            if isinstance(step, steps.Filter) and step.input is only:
                # what the condition leaves out need not be put in order
                rows = Fixed(only, self._pull.rows(only, self._snapshot, self._cycle))
                return Fixed(step, self._pull.in_order(only, self.stateless(step, rows).run(self._cycle), self._cycle))
            if step is only:
                return Fixed(step, self._pull.in_order(only, self._pull.rows(only, self._snapshot, self._cycle), self._cycle))
        if not isinstance(step, steps.Source):
            return super().build(step, old=old)
        stage = self._pull.rows(step, self._snapshot, self._cycle)
        if step.kind == "TABLE":
            stage = as_changes(stage)
        return Fixed(step, stage)


@dataclass
class Pull:
    """One pull query over one snapshot."""

    plan: steps.QueryPlan
    catalog: Sources
    log: Log
    schemas: SchemaRegistry
    evaluator: Evaluator
    properties: Mapping[str, str]

    def answer(self) -> pa.Table:
        """The rows, with the output's columns by name; DECIMAL, DATE and the rest as in `arrow_type`."""
        with self.log.snapshot() as snapshot:
            return self.at(snapshot)

    def at(self, snapshot: Snapshot) -> pa.Table:
        """The rows at the moment of a snapshot."""
        for careful in (False, True):
            evaluator = Evaluator(careful=True) if careful else self.evaluator
            try:
                scratch = Scratch(open_scratch)
                with closing(scratch), Cycle("", scratch, evaluator, careful=careful, every_change=False) as cycle:
                    stage = Scan(self, snapshot, cycle).build(self.plan.root).run(cycle)
                    return self.output(cycle, stage)
            except EvaluationError as error:
                if careful:
                    raise DataError(f"The query cannot be answered: {error}") from error
            finally:
                if careful:
                    evaluator.close()
        raise AssertionError

    @property
    def only_source(self) -> steps.Source | None:
        """The source of a query that reads one and only filters and selects; None of any other."""
        step = self.plan.root
        while isinstance(step, steps.Filter | steps.Select | steps.FlatMap):
            step = step.input
        return step if isinstance(step, steps.Source) else None

    def output(self, cycle: Cycle, stage: Stage) -> pa.Table:
        """The stage's rows as the query's output, at most LIMIT."""
        limit = f" LIMIT {self.plan.limit}" if self.plan.limit is not None else ""
        table = cycle.table(f"{stage.sql} ORDER BY _o{limit}")
        names = stage.columns
        arrays = cycle.arrays(table, [names[c.name] for c in self.plan.output], [c.type for c in self.plan.output])
        return pa.table(arrays, names=[c.name for c in self.plan.output])

    def in_order(self, step: steps.Source, stage: Stage, cycle: Cycle) -> Stage:
        """A table's rows in the order of its partitions."""
        info = self.log.topic(step.topic)
        return in_order(cycle, stage, step, info.partitions if info else 1, self.plan.lookup, self.schemas)

    # ------------------------------------------------------------------------------------------ the rows of a source

    def rows(self, step: steps.Source, snapshot: Snapshot, cycle: Cycle) -> Stage:
        """All rows of a source, or those of the keys that the query looks up."""
        source = self.catalog.source(step.source)
        query = self.catalog.query(source.created_by) if source and source.created_by else None
        if step.kind == "TABLE" and query is not None:
            found = backing(query.plan)
            stage = self.groups(found, query, snapshot, cycle) if found else self.kept(query, snapshot, cycle)
            return self.renamed(step, stage)
        return self.topic(step, snapshot, cycle)

    def renamed(self, step: steps.Source, stage: Stage) -> Stage:
        """A query's rows as a source's: its columns by the prefix, and the pseudo columns."""
        pseudo = {"ROWTIME": "_t", "ROWPARTITION": "_p", "ROWOFFSET": "CAST(NULL AS BIGINT)", "WINDOWSTART": "_ws", "WINDOWEND": "_we"}
        known = {name: pseudo[name] for name in step.pseudo} | stage.columns
        return stage.select([known[c.name.removeprefix(step.prefix)] for c in step.schema.columns], step.schema)

    def groups(self, found: Backing, query: PersistentQuery, snapshot: Snapshot, cycle: Cycle) -> Stage:
        """The groups of an aggregate, with what the query makes of them."""
        grouping = Grouping(found.aggregate, query.properties)
        window, store = found.aggregate.window, snapshot.state(f"{query.id}/{found.name}/groups")
        bounds: dict[str, pa.Array] = {}
        if window and window.kind == "SESSION":
            wanted = None if self.plan.lookup is None else packed(self.plan.lookup, grouping.keys)
            bounds, columns = kept_sessions(store, grouping.codec, wanted)
        else:
            keys, columns = self.stored(grouping.table(store), grouping)
            if window:
                starts = window_starts(keys)
                bounds = {"_ws": starts, "_we": pc.add(starts, window.size_ms)}
        width = len(grouping.keys) + len(grouping.carried)
        names = [f"c{i}" for i in range(width)] + [f"m{i}" for i in range(len(grouping.state))] + ["_t", "_p"]
        table = pa.table(dict(zip(names, columns, strict=True)) | bounds)
        cycle.need(grouping.needs)
        results = [f"{sql} AS c{width + i}" for i, sql in enumerate(grouping.results("m", careful=cycle.careful))]
        meta = ["_t", "_p", "row_number() OVER () AS _o", "CAST(NULL AS BIGINT) AS _g", "TRUE AS _present", *bounds]
        sql = f"SELECT {', '.join([*[f'c{i}' for i in range(width)], *results, *meta])} FROM {cycle.bind(table)}"
        operator: Operator = Fixed(found.aggregate, Stage(sql, found.aggregate.schema, windowed=window is not None))
        for step in reversed(found.above):
            operator = Builder.stateless(step, operator) or operator
        return operator.run(cycle)

    def stored(self, table: Table, grouping: Grouping) -> tuple[Keys, list[pa.Array]]:
        """The keys and rows of the groups that the query may want."""
        if self.plan.lookup is None:
            return table.scan()
        rests = packed(self.plan.lookup, grouping.keys)
        prefixes = table.prefixes()
        groups = np.repeat(np.arange(len(prefixes)), len(rests)) if rests else None
        keys, _ = Keys.sorted(pa.array(rests * len(prefixes), pa.binary()), prefixes if rests else (), groups)
        there, columns = table.lookup(keys)
        found = np.flatnonzero(there)
        return keys.take(found), [column.take(pa.array(found)) for column in columns]

    def kept(self, query: PersistentQuery, snapshot: Snapshot, cycle: Cycle) -> Stage:
        """The last records that a table's query keeps."""
        sink = query.plan
        store = snapshot.state(f"{query.id}/table/{sink.target}")
        if self.plan.lookup == ():
            items: list[tuple[bytes, bytes]] = []
        elif self.plan.lookup is not None and sink.window is None and sink.schema.key:
            arrays = [pa.array(c, arrow_type(t.type)) for c, t in zip(zip(*self.plan.lookup, strict=True), sink.schema.key, strict=True)]
            encode = formats.encoder(
                sink.key_format.name, as_columns(sink.schema.key), options(sink.key_format, sink.topic, is_key=True), self.schemas
            )
            wanted = [bounded(k) for k in encode(arrays, pa.array([True] * len(self.plan.lookup))).data.to_pylist()]
            items = [(k, v) for k, v in zip(wanted, store.get_many(wanted), strict=True) if v is not None]
        else:
            items = list(store.scan())
        reader = reading(sink)
        count = len(items)
        keys, values, times = zip(*(unkept(k, v) for k, v in items), strict=True) if items else ((), (), ())
        records = Records(
            pa.array(range(count), pa.int64()), pa.array([0] * count, pa.int32()), pa.array(range(count), pa.int64()),
            pa.array(times, pa.int64()), pa.array(keys, pa.binary()), pa.array(values, pa.binary()), pa.nulls(count, HEADERS),
        )  # fmt: skip
        return self.rows_of(reader, records, cycle)

    def topic(self, step: steps.Source, snapshot: Snapshot, cycle: Cycle) -> Stage:
        """All records of a topic; of a table's, each key's last."""
        share = []
        info = self.log.topic(step.topic)
        place = 0
        for partition in range(info.partitions if info else 0):
            offset = self.log.start_offset(step.topic, partition)
            while offset < snapshot.end_offset(step.topic, partition):
                batch = snapshot.read(step.topic, partition, offset, max_records=READ_RECORDS, max_bytes=1 << 30)
                if not batch.num_rows:
                    break
                share.append((partition, batch, np.arange(place, place + batch.num_rows)))
                place += batch.num_rows
                offset = batch["offset"][-1].as_py() + 1
        records = gather(share)
        if records is not None and step.kind == "TABLE":
            last = {key: row for row, key in enumerate(records.keys.to_pylist()) if key is not None}
            index = pa.array(sorted(last.values()), pa.int64())
            records = Records(*(getattr(records, name).take(index) for name in Records.__dataclass_fields__))
        return self.rows_of(step, records, cycle)

    def rows_of(self, step: steps.Source, records: Records | None, cycle: Cycle) -> Stage:
        """Records as rows."""
        source = Source(step, "", self.schemas)
        if records is not None:
            source.take(records)
        return as_rows(source.run(cycle))


def as_rows(stage: Stage) -> Stage:
    """A table's stage as plain rows: those that are there."""
    return replace(stage, sql=f"SELECT * FROM ({stage.sql}) WHERE _present", is_table=False)


def as_changes(stage: Stage) -> Stage:
    """A table's rows as the changes that made them, before whatever a stream brings."""
    keys = len(stage.schema.key)
    fields = [f"c{keys + i} {duckdb_type(c.type)}" for i, c in enumerate(stage.schema.value)] or ["c_ BOOLEAN"]
    before = f"_o - {1 << 40}"
    earlier = f"SELECT * REPLACE ({before} AS _o, {before} AS _g), CAST(NULL AS STRUCT({', '.join(fields)})) AS _old FROM ({stage.sql})"
    return replace(stage, sql=earlier, is_table=True, old=True)


def open_scratch() -> Log:
    """A log in memory for the state of one query."""
    from penstock.log import open_log

    return open_log(None)


def packed(lookup: Sequence[tuple[Value, ...]], types: Sequence[SqlType]) -> list[bytes]:
    """State keys of the keys that a query asks for, each once."""
    if not lookup:
        return []
    columns = [pa.array(values, arrow_type(t)) for values, t in zip(zip(*lookup, strict=True), types, strict=True)]
    keys: list[bytes] = state_keys(columns, types, len(lookup)).unique().to_pylist()
    return keys


def reading(sink: steps.Sink) -> steps.Source:
    """A source step that reads back what a sink writes."""
    return steps.Source(
        schema=sink.schema, kind="STREAM", source=sink.target, topic=sink.topic, columns=sink.schema, key_format=sink.key_format,
        value_format=sink.value_format, window=sink.window,
    )  # fmt: skip

