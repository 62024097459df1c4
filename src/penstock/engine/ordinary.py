"""Ordinary SQL over sources: joins, GROUP BY, ORDER BY, subqueries, window functions, at one consistent moment.

DuckDB answers it. Every stream or table that the query names is there as a table of its rows, with its columns and ROWTIME; windowed ones
have WINDOWSTART and WINDOWEND too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from penstock.engine.evaluate import Evaluator, reason_of
from penstock.engine.pull import Pull, Sources
from penstock.errors import Position, SqlError
from penstock.plan import steps
from penstock.registry.model import SchemaRegistry
from penstock.sql.types import BIGINT

if TYPE_CHECKING:
    from penstock.catalog.model import DataSource
    from penstock.log.protocol import Log

COMMON_TABLE = re.compile(
    r'(?:\bwith(?:\s+recursive)?|,)\s+"?(\w+)"?\s*(?:\([^)]*\))?\s+as\s*(?:not\s+)?(?:materialized\s*)?\(', re.IGNORECASE
)  # fmt: skip


def answer(sql: str, catalog: Sources, log: Log, schemas: SchemaRegistry, evaluator: Evaluator, position: Position | None) -> pa.Table:
    """The answer as Arrow. Raises SqlError where DuckDB refuses the query."""
    connection = duckdb.connect(":memory:", config={"threads": 1, "enable_external_access": False, "lock_configuration": True})
    try:
        for name in sorted(connection.get_table_names(sql)):
            source = catalog.source(name) or catalog.source(name.upper())
            if source is None:
                if name.lower() in common_tables(sql):
                    continue
                raise SqlError(f"There is no stream or table {name}.", mend="SHOW STREAMS and SHOW TABLES list what there is.", position=position)
            connection.register(name, rows(source, catalog, log, schemas, evaluator))
        return connection.sql(sql).to_arrow_table()
    except duckdb.Error as error:
        raise SqlError(reason_of(error), position=position) from error
    finally:
        connection.close()


def common_tables(sql: str) -> set[str]:
    """The names that the query itself defines by WITH."""
    return {name.lower() for name in COMMON_TABLE.findall(sql)}


def rows(source: DataSource, catalog: Sources, log: Log, schemas: SchemaRegistry, evaluator: Evaluator) -> pa.Table:
    """All rows of a source."""
    pseudo = ("ROWTIME", *(("WINDOWSTART", "WINDOWEND") if source.window else ()))
    schema = steps.Schema(source.schema.key, (*source.schema.value, *(steps.Column(name, BIGINT) for name in pseudo)))
    step = steps.Source(
        schema=schema, kind=source.kind, source=source.name, topic=source.topic, columns=source.schema, key_format=source.key_format,
        value_format=source.value_format, pseudo=pseudo, headers=source.headers, timestamp=source.timestamp, window=source.window,
    )  # fmt: skip
    output = tuple(steps.OutputColumn(c.name, c.type) for c in schema.columns)
    return Pull(steps.QueryPlan(False, step, output), catalog, log, schemas, evaluator, {}).answer()
