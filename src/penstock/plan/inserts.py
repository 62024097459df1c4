"""INSERT INTO ... VALUES: a typed value for each target column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from penstock.catalog.model import DataSource
from penstock.errors import Position, SqlError
from penstock.plan import expressions as ex
from penstock.plan.coercion import coerce, common_number
from penstock.plan.interfaces import CatalogView
from penstock.plan.moments import parse_moment, to_ms
from penstock.plan.scope import PSEUDO_TYPES, WINDOW_BOUNDS, Scope, nearest
from penstock.plan.text import expression_text, name_text
from penstock.plan.typed import Typing, typed
from penstock.sql import ast
from penstock.sql.types import BIGINT, DATE, NULL, STRING, TIME, TIMESTAMP, Array, Decimal, Map, SqlType, Struct, is_numeric


@dataclass(frozen=True)
class InsertPlan:
    """A record to write: `values` are (column, expression of the column's type) as they were given, ROWTIME (BIGINT, ms) among them; the columns
    that are not there are NULL, and ROWTIME is now. The expressions read no columns."""

    source: DataSource
    values: tuple[tuple[str, ex.Expr], ...]


def plan_insert_values(statement: ast.InsertValues, catalog: CatalogView) -> InsertPlan:
    """Plan INSERT INTO ... VALUES. Raises SqlError: an unknown target or column, one that cannot be written, a value that does not fit."""
    source = _target(statement, catalog)
    names = statement.columns or tuple(c.name for c in source.schema.columns)
    _check_columns(names, source, statement.position)
    if len(names) != len(statement.values):
        raise SqlError(f"Expected a value for each column: there are {len(names)} columns ({', '.join(map(name_text, names))}), "
                       f"but {len(statement.values)} values.", mend="Give one value a column.", position=statement.position)
    types = {c.name: c.type for c in source.schema.columns} | {"ROWTIME": BIGINT}
    t = Typing(Scope(()), catalog, "INSERT VALUES")
    values = tuple((name, _value(node, name, types[name], t)) for name, node in zip(names, statement.values, strict=True))
    _check_key(source, values, statement.position)
    return InsertPlan(source, values)


def plan_assert_values(statement: ast.AssertValues, catalog: CatalogView) -> InsertPlan:
    """Plan ASSERT VALUES and ASSERT NULL VALUES: what a record of the source is to hold, in the columns that are named; without names in all, or in
    all of the key. ROWTIME and a window's bounds may be named. Raises SqlError as for INSERT."""
    source = catalog.source(statement.source)
    if source is None:
        mend = nearest(statement.source, catalog.sources()) or "SHOW STREAMS and SHOW TABLES list what there is."
        raise SqlError(f"There is no stream or table {name_text(statement.source)}.", mend=mend, position=statement.position)
    columns = source.schema.key if statement.tombstone else source.schema.columns
    types = {c.name: c.type for c in columns} | {"ROWTIME": BIGINT} | (dict.fromkeys(WINDOW_BOUNDS, BIGINT) if source.window else {})
    names = statement.columns or tuple(c.name for c in columns)
    for name in names:
        if name not in types:
            mend = nearest(name, list(types)) or f"There are {', '.join(map(name_text, types))}."
            where = " in the key" if statement.tombstone else ""
            raise SqlError(f"Column name `{name}` does not exist{where}.", mend=mend, position=statement.position)
    if len(names) != len(statement.values):
        raise SqlError(f"Expected a value for each column: there are {len(names)} columns ({', '.join(map(name_text, names))}), "
                       f"but {len(statement.values)} values.", mend="Give one value a column.", position=statement.position)
    t = Typing(Scope(()), catalog, "ASSERT VALUES")
    return InsertPlan(source, tuple((name, _value(node, name, types[name], t)) for name, node in zip(names, statement.values, strict=True)))


def _target(statement: ast.InsertValues, catalog: CatalogView) -> DataSource:
    name, position = statement.target, statement.position
    source = catalog.source(name)
    if source is None:
        same = [other for other in catalog.sources() if other.upper() == name.upper()]
        if same and same[0] == same[0].upper():
            mend = f"Did you mean {same[0]}? Hint: try removing double quotes from the source name."
        elif same:
            mend = f'Did you mean "{same[0]}"? Hint: wrap the source name in double quotes to make it case-sensitive.'
        else:
            mend = nearest(name, catalog.sources()) or "SHOW STREAMS and SHOW TABLES list what there is."
        raise SqlError(f"Cannot insert values into an unknown stream/table: `{name}`.", mend=mend, position=position)
    kind = source.kind.lower()
    if source.read_only:
        raise SqlError(f"Cannot insert values into read-only {kind}: {name}.", mend=f"Create a {kind} over its topic without SOURCE.",
                       position=position)
    if source.window:
        raise SqlError(f"Cannot insert values into windowed {kind}: {name}.", mend="Insert into the stream that it is made from.", position=position)
    return source


def _check_columns(names: Sequence[str], source: DataSource, position: Position | None) -> None:
    headers = {h.name for h in source.headers}
    if given := [n for n in names if n in headers]:
        raise SqlError(f"Cannot insert into HEADER columns: {', '.join(given)}.", mend="Headers can be read only: name the other columns.",
                       position=position)
    known = [c.name for c in source.schema.columns if c.name not in headers]
    for number, name in enumerate(names):
        if name in PSEUDO_TYPES and name != "ROWTIME":
            raise SqlError(f"Inserting into column `{name}` is not allowed.", mend="The log gives it.", position=position)
        if name not in (*known, "ROWTIME"):
            mend = nearest(name, known) or f"There are {', '.join(map(name_text, known))}."
            raise SqlError(f"Column name `{name}` does not exist.", mend=mend, position=position)
        if name in names[:number]:
            raise SqlError(f"Column `{name}` is named twice.", mend="Name it once.", position=position)


def _value(node: ast.Expression, name: str, type_: SqlType, t: Typing) -> ex.Expr:
    try:
        expr = typed(node, t)
    except SqlError as error:
        if "cannot be resolved" in error.what and isinstance(node, ast.ColumnRef):
            raise SqlError(f"{name_text(node.name)} is a name, but a value is wanted.", mend=f"Quote a string: '{node.name}'.",
                           position=node.position) from None
        raise
    if name == "ROWTIME" and isinstance(expr, ex.Literal) and isinstance(expr.value, str):
        moment = parse_moment(expr.value, TIMESTAMP, node.position)
        return ex.Literal(BIGINT, to_ms(moment))  # type: ignore[arg-type]  # a TIMESTAMP is a datetime
    if not _fits(expr.type, type_):
        raise SqlError(f"Expected type {type_} for column {name_text(name)} but got {expr.type} ({expression_text(expr)}).", mend="Cast it.",
                       position=node.position)
    return coerce(expr, type_, node.position)


def _fits(given: SqlType, wanted: SqlType) -> bool:
    """Whether a value is taken for a column: numbers widen, strings become dates and times; what would lose digits or parts is refused."""
    if given in (wanted, NULL):
        return True
    if isinstance(given, Decimal) and isinstance(wanted, Decimal):
        return given.precision - given.scale <= wanted.precision - wanted.scale and given.scale <= wanted.scale
    if is_numeric(given) and is_numeric(wanted):
        return isinstance(wanted, Decimal) or common_number(given, wanted) == wanted
    match given, wanted:
        case (Array(a), Array(b)):
            return _fits(a, b)
        case (Map(k, v), Map(k2, v2)):
            return _fits(k, k2) and _fits(v, v2)
        case (Struct(fields), Struct()):
            return all((found := wanted.field(f.name)) is not None and _fits(f.type, found.type) for f in fields)
    return given == STRING and wanted in (DATE, TIME, TIMESTAMP)


def _check_key(source: DataSource, values: Sequence[tuple[str, ex.Expr]], position: Position | None) -> None:
    if source.kind == "STREAM":
        return
    given = {name for name, expr in values if not (isinstance(expr, ex.Literal) and expr.value is None)}
    if missing := [c.name for c in source.schema.key if c.name not in given]:
        raise SqlError(f"Value for primary key column(s) {', '.join(map(name_text, missing))} is required for tables.", mend="Give it a value.",
                       position=position)
