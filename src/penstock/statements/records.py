"""The records of a topic as one of its sources reads them, one by one: for connectors, PRINT and ASSERT VALUES."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from penstock import formats
from penstock.engine.operators.source import as_columns, header_column, options, split_windows
from penstock.result import plain_columns

if TYPE_CHECKING:
    import pyarrow as pa

    from penstock.catalog.model import DataSource
    from penstock.database import Database
    from penstock.formats.contract import Decoded
    from penstock.plan.steps import Column


@dataclass(frozen=True)
class ReadRecord:
    """A record by its columns. `value` is None of a tombstone, `key` where there is none; `window` are its bounds, ms; `headers` are the columns that
    come from the headers. `problem` says what cannot be read."""

    partition: int
    offset: int
    timestamp: int
    key: dict[str, Any] | None
    value: dict[str, Any] | None
    window: tuple[int, int] | None
    headers: dict[str, Any]
    problem: str

    @property
    def bounds(self) -> dict[str, int]:
        """The window's bounds as columns."""
        return {} if self.window is None else {"WINDOWSTART": self.window[0], "WINDOWEND": self.window[1]}

    def columns(self) -> dict[str, Any]:
        """All that can be named: the columns, the window's bounds, and ROWTIME."""
        return {**(self.key or {}), **self.bounds, **(self.value or {}), **self.headers, "ROWTIME": self.timestamp}


class Reader:
    """Decodes the records of a source's topic."""

    def __init__(self, db: Database, source: DataSource) -> None:
        self._source = source
        headers = {h.name for h in source.headers}
        self._stored = [c for c in source.schema.value if c.name not in headers]
        key_options = options(source.key_format, source.topic, is_key=True)
        wrap = source.value_format.wrap_single is not False or len(self._stored) != 1
        value_options = options(source.value_format, source.topic, is_key=False, wrap=wrap)
        self.key_names = [c.name for c in source.schema.key]
        self.value_names = [c.name for c in self._stored]
        self._key = formats.decoder(source.key_format.name, as_columns(source.schema.key), key_options, db.schemas)
        self._value = formats.decoder(source.value_format.name, as_columns(self._stored), value_options, db.schemas)

    def read(self, batch: pa.RecordBatch, partition: int) -> list[ReadRecord]:
        """The records of a batch of the topic."""
        keys, starts, ends = split_windows(batch["key"], self._source.window)
        key, value = self._key(keys), self._value(batch["value"])
        problems = {e.row: f"value: {e.reason}" for e in value.errors} | {e.row: f"key: {e.reason}" for e in key.errors}
        key_rows, value_rows = rows(self._source.schema.key, key), rows(self._stored, value)
        headers = {h.name: header_column(batch["headers"], h.header).to_pylist() for h in self._source.headers}
        bounds: list[tuple[int, int] | None] = [None] * batch.num_rows
        if self._source.window is not None:
            bounds = list(zip(starts.to_pylist(), ends.to_pylist(), strict=True))
        return [
            ReadRecord(
                partition, offset, time_ms, key_rows[row], value_rows[row], bounds[row], {name: of[row] for name, of in headers.items()},
                problems.get(row, ""),
            )
            for row, (offset, time_ms) in enumerate(zip(batch["offset"].to_pylist(), batch["timestamp"].to_pylist(), strict=True))
        ]  # fmt: skip


def rows(columns: tuple[Column, ...] | list[Column], decoded: Decoded) -> list[dict[str, Any] | None]:
    """Decoded columns as one dict a row, None where there is nothing."""
    import pyarrow as pa

    present = decoded.present.to_pylist()
    if not columns:
        return [{} if there else None for there in present]
    names = [c.name for c in columns]
    table = pa.table(dict(zip(map(str, range(len(names))), decoded.columns, strict=True)))
    lists = plain_columns(table, [c.type for c in columns])
    return [dict(zip(names, values, strict=True)) if there else None for there, values in zip(present, zip(*lists, strict=True), strict=True)]
