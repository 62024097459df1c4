"""Ordinary SQL over sources: joins, GROUP BY, ORDER BY, subqueries, window functions, at one consistent moment.

DuckDB answers it. Every stream or table that the query names is there as a table of its rows with its columns, and with ROWTIME where the query
names that; windowed ones have WINDOWSTART and WINDOWEND too. A STRUCT's fields can be had by `->`, and functions that DuckDB lacks are Penstock's.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from penstock.engine.evaluate import Evaluator, reason_of
from penstock.engine.ordinary_functions import ARGUMENTS_MAX, called, define, nested_types
from penstock.engine.pull import Pull, Sources
from penstock.errors import Position, SqlError
from penstock.functions.duckdb import quoted
from penstock.functions.duckdb_names import distinct, distinct_names
from penstock.plan import steps
from penstock.registry.model import SchemaRegistry
from penstock.sql.tokens import Token, tokenize
from penstock.sql.types import BIGINT

if TYPE_CHECKING:
    from penstock.catalog.model import DataSource
    from penstock.log.protocol import Log

COMMON_TABLE = re.compile(
    r'(?:\bwith(?:\s+recursive)?|,)\s+"?(\w+)"?\s*(?:\([^)]*\))?\s+as\s*(?:not\s+)?(?:materialized\s*)?\(', re.IGNORECASE
)  # fmt: skip


InterruptedBy = Callable[[Callable[[], None]], AbstractContextManager[None]]


def answer(
    sql: str,
    catalog: Sources,
    log: Log,
    schemas: SchemaRegistry,
    evaluator: Evaluator,
    position: Position | None,
    interrupted_by: InterruptedBy = lambda interrupt: nullcontext(),
) -> pa.Table:
    """The answer as Arrow. `interrupted_by` is told how the query can be ended while it runs. Raises SqlError where DuckDB refuses the query."""
    tokens = tokenize(sql)
    sql = in_duckdb(sql, tokens)
    times = any(token.word == "ROWTIME" for token in tokens)
    connection = duckdb.connect(":memory:", config={"threads": 1, "enable_external_access": False, "lock_configuration": True})
    try:
        sources = named(sql, tokens, connection, catalog, position)
        present = {t for source in sources.values() for c in source.schema.columns for t in nested_types(c.type)}
        for function in called(tokens):
            define(connection, function, present)
        with log.snapshot() as snapshot:
            for name, source in sources.items():
                table = distinct(Pull(reading(source, times), catalog, log, schemas, evaluator, {}).at(snapshot))
                connection.register(name, table.rename_columns(distinct_names(table.column_names)))
        with interrupted_by(connection.interrupt):
            return plain_numbers(connection.sql(sql))
    except duckdb.Error as error:
        raise SqlError(reason_of(error), position=position) from error
    finally:
        connection.close()


def named(
    sql: str, tokens: list[Token], connection: duckdb.DuckDBPyConnection, catalog: Sources, position: Position | None
) -> dict[str, DataSource]:
    """The sources that a query names, by the names that it gives them."""
    for function in called(tokens):
        connection.execute(f'CREATE MACRO "{function}"({", ".join(f"p{i} := NULL" for i in range(ARGUMENTS_MAX))}) AS NULL')
    sources = {}
    for name in sorted(connection.get_table_names(sql)):
        source = catalog.source(name) or catalog.source(name.upper())
        if source is not None:
            sources[name] = source
        elif name.lower() not in common_tables(sql):
            raise SqlError(f"There is no stream or table {name}.", mend="SHOW STREAMS and SHOW TABLES list what there is.", position=position)
    return sources


def in_duckdb(sql: str, tokens: list[Token]) -> str:
    """The query with names quoted as DuckDB quotes them, and a STRUCT's fields read as DuckDB reads them: `` S->`a` `` becomes `S."a"`."""
    parts, end = [], 0
    for token, following in zip(tokens, [*tokens[1:], None], strict=True):
        written = token.text
        if token.terminals[-1] == "QUOTED_NAME":
            written = quoted(token.unquoted)
        elif written == "->" and following is not None and following.terminals[-1] in ("BARE_NAME", "QUOTED_NAME"):
            written = "."
        parts += [sql[end : token.start], written]
        end = token.end
    return "".join(parts) + sql[end:]


def plain_numbers(found: duckdb.DuckDBPyRelation) -> pa.Table:
    """The answer; sums of whole numbers, which DuckDB makes HUGEINTs, as BIGINTs where they fit."""
    table = found.to_arrow_table()
    for i, type_ in enumerate(found.types):
        if str(type_) == "HUGEINT":
            try:
                table = table.set_column(i, table.column_names[i], table.column(i).cast(pa.int64()))
            except pa.ArrowInvalid:
                continue  # beyond 64 bits
    return table


def common_tables(sql: str) -> set[str]:
    """The names that the query itself defines by WITH."""
    return {name.lower() for name in COMMON_TABLE.findall(sql)}


def reading(source: DataSource, times: bool) -> steps.QueryPlan:
    """A plan that reads all rows of a source, with ROWTIME where `times`."""
    pseudo = (*(("ROWTIME",) if times else ()), *(("WINDOWSTART", "WINDOWEND") if source.window else ()))
    schema = steps.Schema(source.schema.key, (*source.schema.value, *(steps.Column(name, BIGINT) for name in pseudo)))
    step = steps.Source(
        schema=schema, kind=source.kind, source=source.name, topic=source.topic, columns=source.schema, key_format=source.key_format,
        value_format=source.value_format, pseudo=pseudo, headers=source.headers, timestamp=source.timestamp, window=source.window,
    )  # fmt: skip
    return steps.QueryPlan(False, step, tuple(steps.OutputColumn(c.name, c.type) for c in schema.columns))
