"""SQL types and Python functions inside DuckDB.

A Python function is registered over Arrow columns: DuckDB hands over some 2,000 rows at a time, and one loop answers them, which is a sixth
faster than a call for each row.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

from penstock.functions.definition import IntervalUnitType, PythonFunction, UsersOwn
from penstock.functions.duckdb_names import distinct_names, distinct_type, relabelled
from penstock.sql.types import Array, Decimal, Map, Primitive, SqlType, Struct, arrow_type

if TYPE_CHECKING:
    import duckdb

_DUCKDB_NAMES = {"STRING": "VARCHAR", "BYTES": "BLOB", "NULL": '"NULL"'}


@cache
def duckdb_type(type_: SqlType) -> str:
    """A type as DuckDB's SQL writes it: STRING is VARCHAR, BYTES is BLOB, `ARRAY<T>` is `T[]`."""
    match type_:
        case Primitive(name):
            return _DUCKDB_NAMES.get(name, name)
        case Decimal(precision, scale):
            return f"DECIMAL({precision}, {scale})"
        case Array(item):
            return f"{duckdb_type(item)}[]"
        case Map(key, value):
            return f"MAP({duckdb_type(key)}, {duckdb_type(value)})"
        case Struct(fields):
            return f"STRUCT({', '.join(f'{quoted(name)} {duckdb_type(f.type)}' for name, f in zip(field_names(type_), fields, strict=True))})"
        case IntervalUnitType():
            return "VARCHAR"
    raise AssertionError(f"no DuckDB type for {type_}")


def field_names(type_: Struct) -> tuple[str, ...]:
    """The names of a STRUCT's fields inside DuckDB."""
    return distinct_names([f.name for f in type_.fields])


def field_name(type_: Struct, name: str) -> str:
    """The name of one field of a STRUCT inside DuckDB."""
    return next(inside for inside, f in zip(field_names(type_), type_.fields, strict=True) if f.name == name)


def quoted(name: str) -> str:
    """An identifier in DuckDB's SQL."""
    return '"' + name.replace('"', '""') + '"'


def text(value: str) -> str:
    """A string literal in DuckDB's SQL."""
    return "'" + value.replace("'", "''") + "'"


# DuckDB holds no reference of its own to what a closed cursor registered, though the function stays in its catalog.
_BODIES: dict[str, Callable[..., Any]] = {}


class UsersOwnError(Exception):
    """A user's own function raised: its message says which, what and where. DuckDB passes on no more of it than its name and that."""


def register(connection: duckdb.DuckDBPyConnection, function: PythonFunction) -> None:
    """Make a Python function known to a connection under its name. Doing it again for the same connection changes nothing."""
    import duckdb
    from duckdb.func import ARROW, NATIVE, FunctionNullHandling

    parameters: list[Any] = [duckdb.sqltype(duckdb_type(p)) for p in function.parameters]
    returns = duckdb.sqltype(duckdb_type(function.returns))
    body = _BODIES.get(function.name) or (_over_columns(function) if function.parameters else function.call)
    kind = ARROW if function.parameters else NATIVE
    _BODIES[function.name] = body
    try:
        connection.create_function(function.name, body, parameters, returns, type=kind, null_handling=FunctionNullHandling.SPECIAL)
    except (duckdb.NotImplementedException, duckdb.CatalogException) as error:
        if "already" not in str(error):
            raise


def _over_columns(function: PythonFunction) -> Callable[..., Any]:
    """The function of whole columns that calls `function` for each row."""
    import pyarrow as pa

    readers = [_reader(p) for p in function.parameters]
    types = [arrow_type(p) for p in function.parameters]
    renamed = [distinct_type(t) != t for t in types]
    writer, result_type, call = _writer(function.returns), arrow_type(function.returns), function.call
    inside = distinct_type(result_type)

    def answered(*columns: Any) -> pa.Array:
        if any(renamed):
            columns = tuple(relabelled(c, t) if r else c for c, t, r in zip(columns, types, renamed, strict=True))
        rows = [_natural(column.to_pylist(), reader) for column, reader in zip(columns, readers, strict=True)]
        if function.nulls:
            results = list(map(call, *rows))
        elif len(rows) == 1:
            results = [None if value is None else call(value) for value in rows[0]]
        else:
            results = [None if None in row else call(*row) for row in _tuples(rows)]
        return relabelled(pa.array(_natural(results, writer), result_type), inside)

    def over_columns(*columns: Any) -> pa.Array:
        try:
            return answered(*columns)
        except (Exception, SystemExit) as error:
            if function.own is None:
                raise
            raise UsersOwnError(_told(function.own, function.returns, error)) from error

    # DuckDB counts a function's parameters and evaluates its annotations.
    plain = [inspect.Parameter(f"column{i}", inspect.Parameter.POSITIONAL_ONLY) for i in range(len(readers))]
    over_columns.__signature__ = inspect.Signature(plain)  # type: ignore[attr-defined]
    return over_columns


def _told(own: UsersOwn, returns: SqlType, error: BaseException) -> str:
    """A user's function, what it raised, and where: the innermost line of the user's own file."""
    import traceback

    import pyarrow as pa

    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == own.file]
    where = f" ({own.file}, line {lines[-1]})" if lines else ""
    said = " ".join(str(error).split())  # a report is one line
    if not lines and isinstance(error, pa.ArrowException | OverflowError):
        return f"{own.name}: the result does not fit its type {returns}: {said}"
    return f"{own.name}: {type(error).__name__}{': ' if said else ''}{said}{where}"


def _tuples(rows: list[list[Any]]) -> Any:
    return zip(*rows, strict=True)


def _natural(values: list[Any], convert: Callable[[Any], Any] | None) -> list[Any]:
    return values if convert is None else [None if value is None else convert(value) for value in values]


def _reader(type_: SqlType) -> Callable[[Any], Any] | None:
    """What turns Arrow's Python value into the natural one: the pairs of a MAP into a dict, at any depth. None where nothing changes."""
    return _converter(type_, dict)


def _writer(type_: SqlType) -> Callable[[Any], Any] | None:
    return _converter(type_, _pairs)


def _pairs(value: Any) -> list[Any]:
    return list(value.items() if isinstance(value, dict) else value)


def _converter(type_: SqlType, of_map: Callable[[Any], Any]) -> Callable[[Any], Any] | None:
    match type_:
        case Array(item):
            inner = _converter(item, of_map)
            return None if inner is None else lambda value: _natural(list(value), inner)
        case Map(_, value_type):
            inner = _converter(value_type, of_map)
            if inner is None:
                return of_map
            return lambda value: of_map([(k, None if v is None else inner(v)) for k, v in _pairs(value)])
        case Struct(fields):
            inners = {f.name: c for f in fields if (c := _converter(f.type, of_map)) is not None}
            if not inners:
                return None
            return lambda value: {k: inners[k](v) if k in inners and v is not None else v for k, v in value.items()}
    return None
