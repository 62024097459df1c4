"""CAST: every conversion between types that ksqlDB knows, as DuckDB SQL with Java's results.

Numbers cut rather than round on their way to whole numbers and wrap like Java's; a DECIMAL rounds half up. What cannot be converted is an error
of its row: text that is no number or time, a number that its DECIMAL cannot hold.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from penstock.errors import SqlError
from penstock.functions.definition import PythonFunction
from penstock.functions.duckdb import duckdb_type, field_name, field_names, quoted, text
from penstock.functions.java_text import double_to_string, value_to_string
from penstock.functions.java_time import text_to_date, text_to_time, text_to_timestamp
from penstock.sql.types import (
    BIGINT,
    BOOLEAN,
    BYTES,
    DATE,
    DOUBLE,
    INTEGER,
    NULL,
    STRING,
    TIME,
    TIMESTAMP,
    Array,
    Decimal,
    Map,
    SqlType,
    Struct,
    is_numeric,
)

Needs = tuple[PythonFunction, ...]
Cast = tuple[Callable[[str], str], Needs]

_WHOLE_NUMBER = "[+-]?[0-9]+"
_NUMBER = r"[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]+)?"
_DOUBLE_NUMBER = rf"{_NUMBER}[dDfF]?|[+-]?(NaN|Infinity)"


@cache
def cast_sql(source: SqlType, target: SqlType) -> Cast:
    """How a value of `source` becomes one of `target`: a function from its SQL to the cast's, and the Python functions that this needs.

    NULL stays NULL. Raises SqlError where the language has no such cast.
    """
    made = _cast(source, target, depth=0)
    if made is None:
        raise SqlError(f"A value of type {source} cannot be cast to {target}.", mend=_mend(source, target))
    return made


def _mend(source: SqlType, target: SqlType) -> str:
    if BYTES in (source, target) and STRING in (source, target):
        return "Use TO_BYTES or FROM_BYTES, which name the encoding."
    if source in (INTEGER, BIGINT) and target == TIMESTAMP:
        return "Use FROM_UNIXTIME, which takes milliseconds."
    if source == TIMESTAMP and target in (INTEGER, BIGINT):
        return "Use UNIX_TIMESTAMP, which gives milliseconds."
    if source in (INTEGER, BIGINT) and target == DATE:
        return "Use FROM_DAYS, which takes days since 1970-01-01."
    return ""


def _cast(source: SqlType, target: SqlType, depth: int) -> Cast | None:
    if source == target:
        return (lambda value: value), ()
    if source == NULL:
        return (lambda value: f"CAST({value} AS {duckdb_type(target)})"), ()
    if target == STRING:
        return _to_string(source)
    if is_numeric(source) and is_numeric(target):
        return _between_numbers(source, target), ()
    if source == STRING:
        return _from_string(target)
    match source, target:
        case Array(a), Array(b):
            return _array(a, b, depth)
        case Map(), Map():
            return _map(source, target, depth)
        case Struct(), Struct():
            return _struct(source, target, depth)
    if (source, target) in ((TIMESTAMP, DATE), (TIMESTAMP, TIME), (DATE, TIMESTAMP)):
        return _plain(target), ()
    return None


def _plain(target: SqlType) -> Callable[[str], str]:
    name = duckdb_type(target)
    return lambda value: f"CAST({value} AS {name})"


# ---------------------------------------------------------------------------------------------- numbers


def wrapped(value: str, bits: int) -> str:
    """SQL that keeps the low 32 or 64 bits of a whole number as a signed one, as Java's arithmetic does."""
    top = 1 << (bits - 1)
    return f"CAST(xor(({value}) & {2 * top - 1}, {top}) - {top} AS {'INTEGER' if bits == 32 else 'BIGINT'})"


def _between_numbers(source: SqlType, target: SqlType) -> Callable[[str], str]:
    if target == INTEGER and source == BIGINT:
        return lambda value: wrapped(value, 32)
    if target in (INTEGER, BIGINT) and source == DOUBLE:
        bits = 32 if target == INTEGER else 64
        return lambda value: _saturated(value, bits)
    if target in (INTEGER, BIGINT) and isinstance(source, Decimal):
        digits, bits = source.precision - source.scale, 32 if target == INTEGER else 64
        if digits <= (9 if bits == 32 else 18):
            return lambda value: f"CAST(trunc({value}) AS {target})"
        return lambda value: wrapped(f"CAST(trunc({value}) AS HUGEINT)", bits)
    return _plain(target)


def _saturated(value: str, bits: int) -> str:
    """A DOUBLE cut to a whole number; beyond the type's range its nearest end, and 0 for NaN."""
    low, high, name = -(1 << (bits - 1)), (1 << (bits - 1)) - 1, "INTEGER" if bits == 32 else "BIGINT"
    return (
        f"CAST(CASE WHEN isnan({value}) THEN 0 WHEN {value} >= {high} THEN {high} WHEN {value} <= {low} THEN {low}"
        f" ELSE CAST(trunc({value}) AS BIGINT) END AS {name})"
    )


# ---------------------------------------------------------------------------------------------- text


def _to_string(source: SqlType) -> Cast | None:
    match source:
        case Array() | Map() | Struct():
            return _python("to_string", source, STRING, value_to_string)
        case Decimal():
            return _plain(STRING), ()
    if source == DOUBLE:
        call, needs = _python("to_string", DOUBLE, STRING, double_to_string)
        return (lambda value: f"CASE WHEN abs({value}) >= 1e-3 AND abs({value}) < 1e7 THEN CAST({value} AS VARCHAR) ELSE {call(value)} END"), needs
    if source == TIME:
        return _time_text, ()
    if source == TIMESTAMP:
        return (lambda value: f"strftime({value}, '%Y-%m-%dT%H:%M:%S.%g')"), ()
    return None if source == BYTES else (_plain(STRING), ())


def _time_text(value: str) -> str:
    shown = f"CAST({value} AS VARCHAR)"
    return f"CASE WHEN length({shown}) > 8 THEN rpad({shown}, 12, '0') WHEN right({shown}, 3) = ':00' THEN left({shown}, 5) ELSE {shown} END"


def _from_string(target: SqlType) -> Cast | None:
    match target:
        case Decimal():
            return (lambda value: _if_matching(value, _NUMBER, target, "{}")), ()
    if target in (INTEGER, BIGINT):
        return (lambda value: _if_matching(value, _WHOLE_NUMBER, target, "{}")), ()
    if target == DOUBLE:
        return (lambda value: _if_matching(value, _DOUBLE_NUMBER, target, "rtrim({}, 'dDfF')")), ()
    if target == BOOLEAN:
        return (lambda value: f"(lower({value}) = 'true')"), ()
    reading: dict[SqlType, Callable[[str], Any]] = {DATE: text_to_date, TIME: text_to_time, TIMESTAMP: text_to_timestamp}
    return _python("cast", STRING, target, reading[target]) if target in reading else None


def _if_matching(value: str, pattern: str, target: SqlType, shape: str) -> str:
    """The cast of trimmed text of a shape; other text is an error that shows it (DuckDB's own error() cannot stand inside TRY)."""
    trimmed = f"trim({value})"
    return (
        f"CASE WHEN {value} IS NULL THEN NULL WHEN regexp_full_match({trimmed}, {text(pattern)})"
        f" THEN CAST({shape.format(trimmed)} AS {duckdb_type(target)}) ELSE CAST({value} || {text(f' is no {target}')} AS {duckdb_type(target)}) END"
    )


def _python(what: str, source: SqlType, target: SqlType, call: Callable[..., Any]) -> Cast:
    from penstock.functions.define import call_sql, python_function

    function = python_function(what, (source,), target, call)
    made = call_sql(function)
    return (lambda value: made([value])), (function,)


# ---------------------------------------------------------------------------------------------- nested types


def _array(source: SqlType, target: SqlType, depth: int) -> Cast | None:
    item = _cast(source, target, depth + 1)
    if item is None:
        return None
    each, needs = item
    name = f"penstock_item{depth}"
    return (lambda value: f"list_transform({value}, lambda {name}: {each(name)})"), needs


def _map(source: Map, target: Map, depth: int) -> Cast | None:
    key, of_value = _cast(source.key, target.key, depth + 1), _cast(source.value, target.value, depth + 1)
    if key is None or of_value is None:
        return None
    name = f"penstock_entry{depth}"
    entry = f"struct_pack(key := {key[0](f'{name}.key')}, value := {of_value[0](f'{name}.value')})"
    return (lambda value: f"map_from_entries(list_transform(map_entries({value}), lambda {name}: {entry}))"), key[1] + of_value[1]


def _struct(source: Struct, target: Struct, depth: int) -> Cast | None:
    """Fields by name; one that the source lacks is NULL."""
    fields: list[tuple[str, str, Callable[[str], str] | None, SqlType]] = []
    needs: Needs = ()
    for name, f in zip(field_names(target), target.fields, strict=True):
        given = source.field(f.name)
        if given is None:
            fields.append((quoted(name), "", None, f.type))
            continue
        made = _cast(given.type, f.type, depth + 1)
        if made is None:
            return None
        fields.append((quoted(name), quoted(field_name(source, f.name)), made[0], f.type))
        needs += made[1]

    def convert(value: str) -> str:
        parts = [
            f"{name} := {each(f'({value}).{given}') if each else f'CAST(NULL AS {duckdb_type(type_)})'}" for name, given, each, type_ in fields
        ]
        return f"CASE WHEN {value} IS NULL THEN NULL ELSE struct_pack({', '.join(parts)}) END"

    return convert, needs
