"""A small catalog in memory, to plan statements against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from penstock import formats, plan
from penstock.catalog.model import DataSource
from penstock.errors import SqlError
from penstock.formats import SerdeOptions
from penstock.plan.steps import Column, FormatSpec, QueryPlan, Sink
from penstock.registry.model import SchemaRegistry
from penstock.sql import ast
from penstock.sql.parser import parse
from penstock.sql.types import SqlType


@dataclass
class World:
    """A CatalogView and a SchemaLookup; `run` plans statements and keeps what they make."""

    settings: dict[str, str] = field(default_factory=dict)
    held: dict[str, DataSource] = field(default_factory=dict)
    types: dict[str, SqlType] = field(default_factory=dict)
    topics: dict[str, int] = field(default_factory=dict)
    schemas: dict[tuple[str, bool], tuple[Column, ...]] = field(default_factory=dict)
    ids: dict[int, tuple[Column, ...]] = field(default_factory=dict)
    registry: SchemaRegistry | None = None
    query_count: int = 0

    def source(self, name: str) -> DataSource | None:
        return self.held.get(name)

    def sources(self) -> Sequence[str]:
        return list(self.held)

    def type(self, name: str) -> SqlType | None:
        return self.types.get(name)

    def partitions(self, topic: str) -> int | None:
        return self.topics.get(topic)

    def retention_ms(self, topic: str) -> int | None:
        return None

    def columns(self, spec: FormatSpec, topic: str, is_key: bool) -> tuple[Column, ...] | None:
        if self.registry is None:
            return self.ids.get(spec.schema_id) if spec.schema_id is not None else self.schemas.get((topic, is_key))
        subject = f"{topic}-{'key' if is_key else 'value'}"
        if spec.schema_id is None and self.registry.latest(subject) is None:
            return None
        wrap = not is_key if spec.wrap_single is None else spec.wrap_single
        options = SerdeOptions(is_key, subject, spec.schema_id, spec.full_schema_name, wrap)
        return tuple(Column(c.name, c.type) for c in formats.infer_columns(spec.name, options, self.registry))

    def run(self, sql: str) -> list[object]:
        """Plan each statement of `sql`; what each gives."""
        return [self.one(statement) for statement in parse(sql)]

    def one(self, statement: ast.Statement) -> object:
        match statement:
            case ast.CreateSource():
                made = plan.plan_create_source(statement, self, self, self.settings)
                if statement.or_replace and made.name in self.held:
                    plan.check_replace(self.held[made.name], made)
                self.held[made.name] = made
                self.topics.setdefault(made.topic, plan.topic_spec(statement).partitions or 1)
                return made
            case ast.CreateAsSelect():
                self.query_count += 1
                planned = plan.plan_create_as(statement, self, self, self.settings, f"C{statement.kind[0]}AS_{statement.name}_{self.query_count}")
                self.held[planned.source.name] = planned.source
                self.topics.setdefault(planned.topic.name, planned.topic.partitions or 1)
                return planned
            case ast.InsertInto():
                return plan.plan_insert_into(statement, self, self.settings)
            case ast.InsertValues():
                return plan.plan_insert_values(statement, self)
            case ast.AlterSource():
                altered = plan.plan_alter(statement, self)
                self.held[altered.name] = altered
                return altered
            case ast.CreateType():
                self.types[statement.name] = plan.plan_create_type(statement, self)
                return self.types[statement.name]
            case ast.DropSource():
                if self.held.pop(statement.name, None) is None and not statement.if_exists:
                    raise SqlError(f"{statement.name} does not exist.")
                return None
            case ast.Query():
                return plan.plan_query(statement, self)
        raise SqlError(f"the test catalog does not know {type(statement).__name__}")

    def plan(self, sql: str) -> Sink:
        """The plan of the last statement of `sql`, a CREATE ... AS SELECT or an INSERT INTO."""
        made = self.run(sql)[-1]
        if isinstance(made, Sink):
            return made
        assert isinstance(made, plan.Planned)
        return made.plan

    def query(self, sql: str) -> QueryPlan:
        """The plan of the last statement of `sql`, a SELECT."""
        made = self.run(sql)[-1]
        assert isinstance(made, QueryPlan)
        return made
