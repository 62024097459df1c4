"""A schema as ksqlDB prints it: `` `ID` BIGINT KEY, `COUNT` BIGINT ``."""

from __future__ import annotations

from collections.abc import Iterable

from penstock.catalog.model import DataSource
from penstock.plan.steps import Kind, OutputColumn, QueryPlan, Schema
from penstock.sql.types import quote


def schema_text(what: DataSource | QueryPlan) -> str:
    """The columns of a source (the key's first; a table's are PRIMARY KEY), or of a query's answer (KEY only in a pull query over a table)."""
    if isinstance(what, DataSource):
        return columns_text(what.schema, what.kind)
    return _joined(what.output)


def columns_text(schema: Schema, kind: Kind) -> str:
    """The columns of a schema of a stream or a table."""
    mark = " PRIMARY KEY" if kind == "TABLE" else " KEY"
    keys = [f"{quote(c.name)} {c.type}{mark}" for c in schema.key]
    return ", ".join([*keys, *(f"{quote(c.name)} {c.type}" for c in schema.value)])


def _joined(columns: Iterable[OutputColumn]) -> str:
    return ", ".join(f"{quote(c.name)} {c.type}{' KEY' if c.key else ''}" for c in columns)
