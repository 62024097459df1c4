"""Table functions: each makes any number of rows of one."""

from __future__ import annotations

from penstock.functions.define import sql_table


@sql_table("EXPLODE(items ARRAY<T>) -> T")
def explode(items: str) -> str:
    """One row for each item of an array. None where the array is empty or NULL.

    items: the array

    EXPLODE(ARRAY['a', 'b']) -> ARRAY['a', 'b']
    """
    return items


@sql_table("CUBE_EXPLODE(items ARRAY<T>) -> ARRAY<T>")
def cube_explode(items: str) -> str:
    """One row for each way to keep some of an array's items and put NULL for the others: from all NULL to all kept.

    An item that is NULL already is not varied, so that no row comes twice.

    items: the array, of at most 20 items

    CUBE_EXPLODE(ARRAY[1, 2]) -> ARRAY[ARRAY[CAST(NULL AS INTEGER), NULL], ARRAY[NULL, 2], ARRAY[1, NULL], ARRAY[1, 2]]
    """
    kept = f"list_filter(range(1, len({items}) + 1), lambda penstock_i: ({items})[penstock_i] IS NOT NULL)"
    bit = f"CAST(len({kept}) - list_position({kept}, penstock_i) AS INTEGER)"
    row = (
        f"list_transform(range(1, len({items}) + 1), lambda penstock_i: CASE WHEN ({items})[penstock_i] IS NOT NULL"
        f" AND (penstock_n >> {bit}) & 1 = 1 THEN ({items})[penstock_i] END)"
    )
    return f"list_transform(range(CAST(1 AS BIGINT) << CAST(len({kept}) AS BIGINT)), lambda penstock_n: {row})"
