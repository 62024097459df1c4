"""What a format does: bytes to columns and back, a batch at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from penstock.sql.types import SqlType

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a key or value schema; names are as stored (upper case unless quoted)."""

    name: str
    type: SqlType


@dataclass(frozen=True, slots=True)
class RowError:
    """Row `row` of a batch could not be converted; `reason` is for the processing log."""

    row: int
    reason: str


@dataclass(frozen=True, slots=True)
class Decoded:
    """`columns`: one Arrow array a column, in the schema's order and in `arrow_type`; NULL in a row that is null or bad.
    `present`: bool array, False where the bytes were null (a tombstone) or bad."""

    columns: Sequence[pa.Array]
    present: pa.Array
    errors: Sequence[RowError] = ()


@dataclass(frozen=True, slots=True)
class Encoded:
    """`data`: one binary value a row, null where `present` was False or the row could not be encoded (then it is in `errors`)."""

    data: pa.Array
    errors: Sequence[RowError] = ()


class Decoder(Protocol):
    def __call__(self, data: pa.Array) -> Decoded: ...


class Encoder(Protocol):
    def __call__(self, columns: Sequence[pa.Array], present: pa.Array) -> Encoded:
        """Encode rows; where `present` is False the row is a tombstone (a null value)."""
        ...


@dataclass(frozen=True, slots=True)
class SerdeOptions:
    """All that a format may want to know beside the columns.

    `subject` is `<topic>-key` or `<topic>-value`; `schema_id` pins a writer's schema (KEY_SCHEMA_ID, VALUE_SCHEMA_ID); `full_schema_name` is
    VALUE_AVRO_SCHEMA_FULL_NAME and its like; `wrap_single` is WRAP_SINGLE_VALUE (for keys False); `delimiter` is VALUE_DELIMITER, one character.
    """

    is_key: bool
    subject: str
    schema_id: int | None = None
    full_schema_name: str | None = None
    wrap_single: bool = True
    delimiter: str = ","
    properties: Mapping[str, str] | None = None
