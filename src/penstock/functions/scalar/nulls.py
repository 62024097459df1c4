"""Nulls."""

from __future__ import annotations

from penstock.functions.define import sql_scalar


@sql_scalar("COALESCE(first T, others T...) -> T")
def coalesce(*values: str) -> str:
    """The first of its arguments that is not NULL.

    first: what to use where it is not NULL
    others: what to use in its place, of the same type

    COALESCE(CAST(NULL AS STRING), 'b', 'c') -> 'b'
    """
    return f"coalesce({', '.join(values)})"


@sql_scalar("IFNULL(value T, otherwise T) -> T")
def ifnull(value: str, otherwise: str) -> str:
    """The value, or another where it is NULL.

    value: what to use where it is not NULL
    otherwise: what to use where it is

    IFNULL(CAST(NULL AS INTEGER), 7) -> 7
    """
    return f"coalesce({value}, {otherwise})"


@sql_scalar("NULLIF(value T, nothing T) -> T")
def nullif(value: str, nothing: str) -> str:
    """The value, or NULL where it equals another.

    value: what to use
    nothing: the value that counts as NULL

    NULLIF('n/a', 'n/a') -> NULL
    NULLIF('dry', 'n/a') -> 'dry'
    """
    return f"CASE WHEN {value} IS NOT DISTINCT FROM {nothing} THEN NULL ELSE {value} END"


@sql_scalar("AS_VALUE(column T) -> T")
def as_value(column: str) -> str:
    """The value itself: in a query's SELECT it copies a key column into the value, under a name of its own.

    column: what to copy

    AS_VALUE('k1') -> 'k1'
    """
    return column
