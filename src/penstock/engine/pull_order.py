"""The order of a pull query's rows, which is ksqlDB's: partition by partition, in each by the key's bytes and the window.

Of keys that the query looks up, the partitions come in the order in which its keys name them, and so do the keys of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock import formats
from penstock.engine.operators.source import as_columns, options
from penstock.engine.stage import Cycle, Stage
from penstock.log.partition import partitions_for
from penstock.plan import steps
from penstock.registry.model import SchemaRegistry
from penstock.sql.types import arrow_type

if TYPE_CHECKING:
    from penstock.plan.expressions import Value

Lookup = Sequence[tuple["Value", ...]]


def in_order(cycle: Cycle, stage: Stage, step: steps.Source, partitions: int, lookup: Lookup | None, schemas: SchemaRegistry) -> Stage:
    """A table's rows with their places (`_o`) in this order. `partitions`: the number that its topic has."""
    table = cycle.run(stage)
    types = [c.type for c in step.schema.key]
    keys = encoded(step, cycle.arrays(table, [f"c{i}" for i in range(len(types))], types), schemas)
    at: np.ndarray[Any, Any] = partitions_for(keys, partitions)
    places = {"partition": pa.array(at), "key": keys}
    if lookup:
        wanted = encoded(step, [pa.array(v, arrow_type(t)) for v, t in zip(zip(*lookup, strict=True), types, strict=True)], schemas)
        turn = {partition: i for i, partition in enumerate(dict.fromkeys(partitions_for(wanted, partitions).tolist()))}
        places = {"partition": pa.array([turn.get(p, len(turn)) for p in at.tolist()], pa.int64()), "key": pc.index_in(keys, wanted)}
    windows = {name: table[name] for name in ("_ws", "_we") if stage.windowed}
    index = pc.sort_indices(pa.table(places | windows), [(name, "ascending") for name in (*places, *windows)])
    ordered = table.take(index).set_column(table.column_names.index("_o"), "_o", pa.array(np.arange(table.num_rows)))
    return cycle.held(stage, ordered)[0]


def encoded(step: steps.Source, columns: list[pa.Array], schemas: SchemaRegistry) -> pa.Array:
    """The keys as they stand in the table's topic, without windows."""
    encode = formats.encoder(step.key_format.name, as_columns(step.schema.key), options(step.key_format, step.topic, is_key=True), schemas)
    return encode(columns, pa.array(np.ones(len(columns[0]), bool))).data
