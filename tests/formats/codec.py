"""Short ways to decode and encode a few records."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from penstock.formats import Column, Decoded, SerdeOptions, decoder, encoder
from penstock.registry.embedded import EmbeddedRegistry
from penstock.registry.store import MemoryStore
from penstock.sql.types import SqlType, arrow_type

VALUE = SerdeOptions(is_key=False, subject="topic-value")
BARE = SerdeOptions(is_key=False, subject="topic-value", wrap_single=False)
KEY = SerdeOptions(is_key=True, subject="topic-key", wrap_single=False)


def columns(**types: SqlType) -> list[Column]:
    return [Column(name, type_) for name, type_ in types.items()]


def decode(name: str, wanted: Sequence[Column], records: Sequence[bytes | None], options: SerdeOptions = VALUE,
           schemas: EmbeddedRegistry | None = None) -> Decoded:
    schemas = schemas or EmbeddedRegistry(MemoryStore())
    return decoder(name, wanted, options, schemas)(pa.array(records, pa.binary()))


def rows(decoded: Decoded) -> list[tuple[Any, ...] | None]:
    """One tuple a record, None for one that is null or bad."""
    lists = [c.to_pylist() for c in decoded.columns]
    cells = list(zip(*lists, strict=True)) if lists else [()] * len(decoded.present)
    return [row if there else None for row, there in zip(cells, decoded.present.to_pylist(), strict=True)]


def encode(name: str, wanted: Sequence[Column], cells: Sequence[tuple[Any, ...] | None], options: SerdeOptions = VALUE,
           schemas: EmbeddedRegistry | None = None) -> list[bytes | None]:
    schemas = schemas or EmbeddedRegistry(MemoryStore())
    arrays = [pa.array([None if row is None else row[i] for row in cells], arrow_type(c.type)) for i, c in enumerate(wanted)]
    encoded = encoder(name, wanted, options, schemas)(arrays, pa.array([row is not None for row in cells], pa.bool_()))
    assert not encoded.errors, encoded.errors
    result: list[bytes | None] = encoded.data.to_pylist()
    return result
