"""The database as the planner sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from penstock import formats
from penstock.engine.operators.source import options
from penstock.plan.steps import Column, FormatSpec

if TYPE_CHECKING:
    from penstock.catalog.model import DataSource
    from penstock.database import Database
    from penstock.sql.types import SqlType


class View:
    """What exists, and what registered schemas say: `plan.CatalogView` and `plan.SchemaLookup` of a database."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def source(self, name: str) -> DataSource | None:
        """The stream or table of a name."""
        return self._db.catalog.source(name)

    def sources(self) -> list[str]:
        """The names of all streams and tables."""
        return [source.name for source in self._db.catalog.sources()]

    def type(self, name: str) -> SqlType | None:
        """What a custom type stands for."""
        return self._db.catalog.type(name)

    def partitions(self, topic: str) -> int | None:
        """A topic's number of partitions, None where there is no such topic."""
        info = self._db.log.topic(topic)
        return info.partitions if info else None

    def retention_ms(self, topic: str) -> int | None:
        """How long a topic keeps its records for their age, in ms; None where it keeps them for ever, or does not exist."""
        info = self._db.log.topic(topic)
        return info.config.retention_ms if info and "delete" in info.config.cleanup else None

    def columns(self, format: FormatSpec, topic: str, is_key: bool) -> tuple[Column, ...] | None:  # noqa: A002 - the protocol's name
        """The columns that a topic's registered schema gives."""
        wanted = options(format, topic, is_key=is_key)
        if format.schema_id is None and self._db.schemas.latest(wanted.subject) is None:
            return None
        return tuple(Column(c.name, c.type) for c in formats.infer_columns(format.name, wanted, self._db.schemas))
