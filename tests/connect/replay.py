"""Replays captured changes strictly: what an insert finds there already, or an update or delete does not find, is a fault."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from penstock.connect.records import SourceRecord


def replay(records: Sequence[SourceRecord]) -> tuple[dict[tuple[Any, ...], dict[str, Any]], list[str]]:
    """The table that the changes make, by key, and the faults."""
    table: dict[tuple[Any, ...], dict[str, Any]] = {}
    faults = []
    gone: tuple[Any, ...] | None = None
    for record in records:
        key = tuple(record.key.values())
        if record.value is None:
            if gone != key:
                faults.append(f"a tombstone of {key} without its delete")
            gone = None
            continue
        op, after = record.value["op"], record.value["after"]
        if op in "cr":
            if key in table:
                faults.append(f"{op} of {key}, which is there: {table[key]} -> {after}")
            table[key] = after
        elif key not in table:
            faults.append(f"{op} of {key}, which is not there")
        elif op == "u":
            if after["n"] != table[key]["n"] + 1:
                faults.append(f"an update of {key} from {table[key]} to {after}")
            table[key] = after
        else:
            del table[key]
            gone = key
    return table, faults
