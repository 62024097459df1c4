"""Aggregates: the greatest values."""

from __future__ import annotations

from penstock.functions.aggregate.offset import how_many
from penstock.functions.define import Aggregation, Settled, aggregate
from penstock.functions.duckdb import duckdb_type
from penstock.functions.scalar.math import COMPARABLE
from penstock.sql.types import BIGINT, Array, Field, SqlType, Struct


def size(settled: Settled) -> int:
    """The k of a call, its last argument. Raises SqlError where it is not from 1."""
    return how_many(settled.values[-1])


@aggregate("TOPK(value N, k INTEGER) -> ARRAY<N>", types={"N": COMPARABLE}, constants=("k",))
def topk(settled: Settled) -> Aggregation:
    """The k greatest values, the greatest first, NULLs aside.

    With further columns, structs of the value as `sort_col` and the others as `col0`, `col1` and so on; of equal values the first to arrive counts.

    value: what to compare
    k: how many to keep, from 1

    TOPK([5, 9, NULL, 7, 9], 3) -> ARRAY[9, 9, 7]
    """
    k, none = size(settled), f"CAST([] AS {duckdb_type(settled.returns)})"
    return Aggregation(
        state=(settled.returns,),
        partial=lambda arguments, _: [f"max({arguments[0]}, {k})"],
        merge=lambda stored, new: [
            f"list_sort(list_concat(coalesce({stored[0]}, {none}), coalesce({new[0]}, {none})), 'DESC', 'NULLS LAST')[:{k}]"
        ],
        result=lambda state: state[0],
    )


def row_type(types: tuple[SqlType, ...]) -> Struct:
    """The struct that TOPK of several columns returns: the k is the last of the types."""
    return Struct((Field("sort_col", types[0]), *(Field(f"col{i}", t) for i, t in enumerate(types[1:-1]))))


@aggregate(
    *(f"TOPK(value N, {', '.join(f'column{i} {v}' for i, v in enumerate('ABCDEFG'[:n]))}, k INTEGER) -> ARRAY<N>" for n in range(1, 8)),
    types={"N": COMPARABLE},
    constants=("k",),
    returns=lambda types: Array(row_type(types)),
)
def topk_rows(settled: Settled) -> Aggregation:
    """The form for several columns.

    column0: a column to keep beside the value
    column1: another
    column2: another
    column3: another
    column4: another
    column5: another
    column6: another
    """
    k, shown = size(settled), row_type(settled.types)
    # The second field makes the earlier of two equal values the greater, so that plain comparison of structs orders them.
    kept = Struct((shown.fields[0], Field("earliness", BIGINT), *shown.fields[1:]))
    none = f"CAST([] AS {duckdb_type(Array(kept))})"

    def packed(arguments: tuple[str, ...] | list[str], order: str) -> str:
        values = (arguments[0], f"-({order})", *arguments[1:-1])
        fields = ", ".join(f'"{f.name}" := {v}' for f, v in zip(kept.fields, values, strict=True))
        return f"max(struct_pack({fields}), {k}) FILTER ({arguments[0]} IS NOT NULL)"

    def renumbered(rows: str) -> str:
        """The stored rows before the new ones: the arrival order tells only the rows of one batch apart."""
        taken = ", ".join(f'"{f.name}" := ' + ("-penstock_at" if f.name == "earliness" else f'penstock_row."{f.name}"') for f in kept.fields)
        return f"list_transform({rows}, lambda penstock_row, penstock_at: struct_pack({taken}))"

    fields = ", ".join(f'"{f.name}" := penstock_row."{f.name}"' for f in shown.fields)
    return Aggregation(
        state=(Array(kept),),
        partial=lambda arguments, order: [packed(list(arguments), order)],
        merge=lambda stored, new: [
            f"list_sort({renumbered(f'list_concat(coalesce({stored[0]}, {none}), coalesce({new[0]}, {none}))')}, 'DESC', 'NULLS LAST')[:{k}]"
        ],
        result=lambda state: f"list_transform({state[0]}, lambda penstock_row: struct_pack({fields}))",
    )


@aggregate("TOPKDISTINCT(value N, k INTEGER) -> ARRAY<N>", types={"N": COMPARABLE}, constants=("k",))
def topkdistinct(settled: Settled) -> Aggregation:
    """The k greatest different values, the greatest first, NULLs aside.

    value: what to compare
    k: how many to keep, from 1

    TOPKDISTINCT([5, 9, NULL, 7, 9], 3) -> ARRAY[9, 7, 5]
    """
    k, none = size(settled), f"CAST([] AS {duckdb_type(settled.returns)})"
    return Aggregation(
        state=(settled.returns,),
        partial=lambda arguments, _: [f"list(DISTINCT {arguments[0]}) FILTER ({arguments[0]} IS NOT NULL)"],
        merge=lambda stored, new: [
            f"list_sort(list_distinct(list_concat(coalesce({stored[0]}, {none}), coalesce({new[0]}, {none}))), 'DESC', 'NULLS LAST')[:{k}]"
        ],
        result=lambda state: state[0],
    )
