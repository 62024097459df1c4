"""Schemas as text: `` `ID` BIGINT KEY, `COUNT` BIGINT ``."""

from __future__ import annotations

from penstock.catalog.model import DataSource
from penstock.plan.steps import Column, QueryPlan, Schema
from penstock.sql.types import INTEGER, Array, Decimal, Map, SqlType, Struct, quote


def schema_text(what: DataSource | QueryPlan) -> str:
    """The columns of a source, the key's first, with types spelled as a declaration does, the short way (INT, DECIMAL(6,4)); or those of a query's
    answer in SELECT order, with types spelled in full (INTEGER, DECIMAL(6, 4)). KEY stands behind a key column: in an answer only where a pull query
    reads a table."""
    if isinstance(what, DataSource):
        keys = [f"{quote(c.name)} {declared(c.type)} KEY" for c in what.schema.key]
        return ", ".join([*keys, *(f"{quote(c.name)} {declared(c.type)}" for c in what.schema.value)])
    return ", ".join(f"{quote(c.name)} {c.type}{' KEY' if c.key else ''}" for c in what.output)


def columns_text(schema: Schema) -> str:
    """All columns of a schema, types in full."""
    return ", ".join([*(f"{_plain(c)} KEY" for c in schema.key), *map(_plain, schema.value)])


def _plain(column: Column) -> str:
    return f"{quote(column.name)} {column.type}"


def declared(type_: SqlType) -> str:
    """A type as a declaration spells it, the short way."""
    match type_:
        case Decimal(precision, scale):
            return f"DECIMAL({precision},{scale})"
        case Array(item):
            return f"ARRAY<{declared(item)}>"
        case Map(key, value):
            return f"MAP<{declared(key)}, {declared(value)}>"
        case Struct(fields):
            return f"STRUCT<{', '.join(f'{quote(f.name)} {declared(f.type)}' for f in fields)}>"
    return "INT" if type_ == INTEGER else str(type_)
