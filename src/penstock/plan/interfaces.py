"""What the planner asks of the rest of the house."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol

from penstock.sql.types import SqlType

if TYPE_CHECKING:
    from penstock.catalog.model import DataSource
    from penstock.plan.steps import Column, FormatSpec


class CatalogView(Protocol):
    """What exists, to be read."""

    def source(self, name: str) -> DataSource | None:
        """The stream or table of a name, or None."""
        ...

    def sources(self) -> Sequence[str]:
        """The names of all streams and tables."""
        ...

    def type(self, name: str) -> SqlType | None:
        """What a custom type stands for, or None."""
        ...

    def partitions(self, topic: str) -> int | None:
        """The number of partitions of a topic, or None where it does not exist."""
        ...

    def retention_ms(self, topic: str) -> int | None:
        """How long a topic keeps its records for their age, in ms; None where it keeps them for ever, or does not exist."""
        ...


class SchemaLookup(Protocol):
    """Columns inferred from registered schemas."""

    def columns(self, spec: FormatSpec, topic: str, is_key: bool, /) -> tuple[Column, ...] | None:
        """The columns of a topic's keys or values, from the schema that `spec` pins by id or else the latest of the subject; None where there
        is none. Raises penstock.Error where the schema cannot be read."""
        ...
