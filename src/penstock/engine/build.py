"""A plan made into operators."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import count

from penstock import settings
from penstock.engine.operators.aggregate import Aggregate
from penstock.engine.operators.contract import Operator
from penstock.engine.operators.foreign_key_join import ForeignKeyJoin
from penstock.engine.operators.session import SessionAggregate
from penstock.engine.operators.sink import Sink
from penstock.engine.operators.source import Source
from penstock.engine.operators.stateless import Filter, FlatMap, Rekey, Select
from penstock.engine.operators.stream_stream_join import StreamStreamJoin
from penstock.engine.operators.stream_table_join import StreamTableJoin
from penstock.engine.operators.table_aggregate import Regroup, TableAggregate
from penstock.engine.operators.table_table_join import TableTableJoin
from penstock.errors import Error
from penstock.plan import steps
from penstock.registry.model import SchemaRegistry


@dataclass
class Built:
    """A query's operators: the root, and the sources in the order in which they are named in the plan."""

    root: Operator
    sources: list[Source]


@dataclass
class Builder:
    """Builds operators. A stateful one is named by its place in the plan, so that a restarted query finds its state again."""

    schemas: SchemaRegistry
    properties: Mapping[str, str] = field(default_factory=dict)
    sources: list[Source] = field(default_factory=list)
    _numbers: count[int] = field(default_factory=count)

    @property
    def strict_time(self) -> bool:
        """Whether a record without a good timestamp stops the query."""
        return bool(settings.value(self.properties, "ksql.timestamp.throw.on.invalid"))

    @property
    def strict(self) -> bool:
        """Whether a record that cannot be read stops the query."""
        return bool(settings.value(self.properties, "ksql.fail.on.deserialization.error"))

    def build(self, step: steps.Step, *, old: bool = False, every: bool = False) -> Operator:
        """The operator of a step. `old`: whoever reads it needs a table's row before each change, too; `every`: and each change, since a row may come
        and go within a cycle in a group that it leaves empty."""
        name = f"{next(self._numbers)}-{type(step).__name__.lower()}"
        match step:
            case steps.Source():
                source = Source(step, name, self.schemas, old=old, strict_time=self.strict_time, strict=self.strict)
                self.sources.append(source)
                return source
            case steps.Filter() | steps.Rekey():
                return self.stateless(step, self.build(step.input, old=step.kind == "TABLE", every=every))
            case steps.Select() | steps.FlatMap():
                return self.stateless(step, self.build(step.input, old=old, every=every))
            case steps.Suppress(input=steps.Aggregate() as aggregate):
                return self.aggregate(aggregate, name, old=old, final=True)
            case steps.Aggregate():
                return self.aggregate(step, name, old=old, final=False)
            case steps.StreamTableJoin():
                return StreamTableJoin(step, self.build(step.left), self.build(step.right), name)
            case steps.StreamStreamJoin():
                return StreamStreamJoin(step, self.build(step.left), self.build(step.right), name)
            case steps.TableTableJoin():
                return TableTableJoin(step, self.build(step.left, every=every), self.build(step.right, every=every), name, old=old, every=every)
            case steps.ForeignKeyJoin():
                return ForeignKeyJoin(step, self.build(step.left, every=every), self.build(step.right, every=every), name, old=old, every=every)
            case steps.Sink():
                materialise = step.kind == "TABLE" and backing(step) is None
                return Sink(step, self.build(step.input), self.schemas, materialise=materialise, strict_time=self.strict_time)
        raise Error(f"Queries with a {type(step).__name__} are not supported yet.")

    @staticmethod
    def stateless(step: steps.Filter | steps.Select | steps.FlatMap | steps.Rekey, source: Operator) -> Operator:
        """The operator of a step that keeps no state."""
        match step:
            case steps.Filter():
                return Filter(step, source)
            case steps.Select():
                return Select(step, source)
            case steps.FlatMap():
                return FlatMap(step, source)
            case steps.Rekey():
                return Rekey(step, source)

    def aggregate(self, step: steps.Aggregate, name: str, *, old: bool, final: bool) -> Operator:
        """The operator of a GROUP BY; with `final` it emits closed windows alone."""
        if step.input.kind == "TABLE":
            rekey = step.input if isinstance(step.input, steps.Rekey) else None
            source = self.build(rekey.input if rekey else step.input, old=True, every=True)
            return TableAggregate(step, Regroup(step.input, source, rekey), name, old=old, properties=self.properties)
        if step.window is not None and step.window.kind == "SESSION":
            return SessionAggregate(step, self.build(step.input), name, old=old, final=final, properties=self.properties)
        return Aggregate(step, self.build(step.input), name, old=old, final=final, properties=self.properties)


def build(plan: steps.Step, schemas: SchemaRegistry, properties: Mapping[str, str]) -> Built:
    """The operators of a whole plan; `properties` are the settings of its query."""
    builder = Builder(schemas, properties)
    return Built(builder.build(plan), builder.sources)


@dataclass(frozen=True)
class Backing:
    """The aggregate whose stored groups are a table's rows: the step, the name of its state, and the selects and filters above it, last first."""

    aggregate: steps.Aggregate
    name: str
    above: tuple[steps.Select | steps.Filter, ...]


def backing(sink: steps.Sink) -> Backing | None:
    """What backs a table, where only selects and filters stand between its sink and an aggregate. A pull query then reads the groups, and
    nothing need be stored twice. The name follows the numbering of `Builder`: the sink is 0."""
    step, above = sink.input, []
    while isinstance(step, steps.Select | steps.Filter):
        above.append(step)
        step = step.input
    if not isinstance(step, steps.Aggregate):
        return None
    return Backing(step, f"{len(above) + 1}-aggregate", tuple(above))
