"""Aggregates: collecting values."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.functions.aggregate.offset import listed
from penstock.functions.define import Aggregation, Settled, aggregate
from penstock.functions.duckdb import duckdb_type


def limit(properties: Mapping[str, object], name: str) -> int | None:
    """The most items that a setting such as `ksql.functions.collect_list.limit` allows; None where it is not set or is no bound."""
    value = next((v for k, v in properties.items() if k.lower() == name), None)
    number = int(str(value)) if value is not None else -1
    return number if 0 <= number < 2**31 - 1 else None


@aggregate("COLLECT_LIST(value T) -> ARRAY<T>")
def collect_list(settled: Settled) -> Aggregation:
    """All values in the order of their arrival, NULLs too.

    The setting `ksql.functions.collect_list.limit` bounds how many are kept: the first ones.

    value: what to collect

    COLLECT_LIST([3, 1, 3]) -> ARRAY[3, 1, 3]
    """
    most = limit(settled.properties, "ksql.functions.collect_list.limit")
    name = duckdb_type(settled.returns)
    bound = f"[:{most}]" if most is not None else ""

    def merge(stored: str, new: str) -> str:
        joined = f"list_concat(coalesce({stored}, CAST([] AS {name})), coalesce({new}, CAST([] AS {name})))"
        return f"({joined}){bound}"

    def without(stored: str, old: str) -> str:
        """Each value of `old` taken out once, the first of its kind."""
        found = "list_position(gone_acc, gone_item)"
        cut = f"CASE WHEN {found} IS NULL THEN gone_acc ELSE list_concat(gone_acc[:{found} - 1], gone_acc[{found} + 1:]) END"
        steps = f"list_concat([coalesce({stored}, CAST([] AS {name}))], list_transform(coalesce({old}, CAST([] AS {name})), lambda gone: [gone]))"
        return f"list_reduce({steps}, lambda gone_acc, gone_one: list_transform([gone_one[1]], lambda gone_item: {cut})[1])"

    return Aggregation(
        state=(settled.returns,),
        partial=lambda arguments, order: [listed(arguments[0], order)],
        merge=lambda stored, new: [merge(stored[0], new[0])],
        result=lambda state: state[0],
        undo=lambda stored, old: [without(stored[0], old[0])],
    )
