"""NONE: bytes that nobody reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from penstock.formats.contract import Column, Decoded, Encoded, SerdeOptions
from penstock.formats.definition import Format, describe_columns

if TYPE_CHECKING:
    import pyarrow as pa


def decode(data: pa.Array) -> Decoded:
    """No columns: every record counts as null."""
    import pyarrow as pa

    return Decoded([], pa.repeat(pa.scalar(False), len(data)))


def encode(columns: Sequence[pa.Array], present: pa.Array) -> Encoded:
    """Null bytes for every row."""
    import pyarrow as pa

    return Encoded(pa.nulls(len(present), pa.binary()))


def reject(columns: Sequence[Column], options: SerdeOptions) -> str | None:
    """No columns at all."""
    if columns:
        return f"The 'NONE' format can only be used when no columns are defined. Got: {describe_columns(columns, options)}"
    return None


FORMAT = Format(
    name="NONE",
    summary="The bytes are neither read nor written.",
    description="For the key of a stream without key columns, where the key's bytes are of no interest. It holds no columns.",
    decode=lambda columns, options, schemas: decode,
    encode=lambda columns, options, schemas: encode,
    reject=reject,
    as_value=False,
    multi_column_keys=False,
    can_wrap=False,
    can_unwrap=False,
)
