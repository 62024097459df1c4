"""What a statement says, as frozen dataclasses: the parser makes them, the planner reads them.

Identifiers are as stored: upper case unless quoted. Nothing is resolved or typed here. `position` (line, column) is the
place of a node in the text and takes no part in equality. Durations are in ms.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Literal as OneOf

from penstock.sql.types import SqlType

# isort: off
from penstock.sql.ast_expressions import (  # handed on: `ast.Literal`
    Arithmetic as Arithmetic, ArrayConstructor as ArrayConstructor, Between as Between, Case as Case, Cast as Cast, ColumnRef as ColumnRef,
    Comparison as Comparison, Dereference as Dereference, Expression as Expression, FunctionCall as FunctionCall, In as In,
    IntervalUnit as IntervalUnit, IsNull as IsNull, Lambda as Lambda, Like as Like, Literal as Literal, Logical as Logical,
    MapConstructor as MapConstructor, Negate as Negate, Node as Node, Not as Not, Star as Star, StructConstructor as StructConstructor,
    Subscript as Subscript, When as When,
)  # fmt: skip
# isort: on

# ---------------------------------------------------------------------------------------------- queries


@dataclass(frozen=True)
class SelectItem(Node):
    expression: Expression
    alias: str | None = None


@dataclass(frozen=True)
class SelectAll(Node):
    """`*` or `source.*`"""

    source: str | None = None


@dataclass(frozen=True)
class SelectStructAll(Node):
    """`struct_expression->*`"""

    base: Expression


@dataclass(frozen=True)
class Source(Node):
    name: str
    alias: str | None = None


@dataclass(frozen=True)
class Within(Node):
    """WITHIN d, WITHIN (before, after), GRACE PERIOD: ms; `grace_ms` None where not given."""

    before_ms: int
    after_ms: int
    grace_ms: int | None = None


@dataclass(frozen=True)
class Join(Node):
    kind: OneOf["INNER", "LEFT", "RIGHT", "FULL"]
    left: Relation
    right: Source
    condition: Expression
    within: Within | None = None


Relation = Source | Join


@dataclass(frozen=True)
class Window(Node):
    """A WINDOW clause; `retention_ms` and `grace_ms` are None where not given. HOPPING has `advance_ms`; for SESSION `size_ms` is the gap."""

    kind: OneOf["TUMBLING", "HOPPING", "SESSION"]
    size_ms: int
    advance_ms: int | None = None
    retention_ms: int | None = None
    grace_ms: int | None = None


@dataclass(frozen=True)
class Select(Node):
    items: tuple[SelectItem | SelectAll | SelectStructAll, ...]
    relation: Relation
    window: Window | None = None
    where: Expression | None = None
    group_by: tuple[Expression, ...] = ()
    partition_by: tuple[Expression, ...] = ()
    having: Expression | None = None
    emit: OneOf["CHANGES", "FINAL"] | None = None
    limit: int | None = None


# ---------------------------------------------------------------------------------------------- statements

PropertyValue = None | bool | int | Decimal | float | str
Properties = dict[str, PropertyValue]  # names upper case for WITH of sources; as written for connectors and SET
SourceKind = OneOf["STREAM", "TABLE"]


@dataclass(frozen=True)
class Statement(Node):
    """Base of the statements. `text` is the statement as written, without its semicolon and after variable substitution."""

    text: str = field(default="", compare=False, repr=False, kw_only=True)


@dataclass(frozen=True)
class ColumnDefinition(Node):
    """`constraint`: KEY, PRIMARY KEY, HEADERS, or HEADER with `header` the name of the one header."""

    name: str
    type: SqlType
    constraint: OneOf["KEY", "PRIMARY KEY", "HEADERS", "HEADER"] | None = None
    header: str | None = None


@dataclass(frozen=True)
class CreateSource(Statement):
    kind: SourceKind
    name: str
    columns: tuple[ColumnDefinition, ...]
    properties: Properties
    or_replace: bool = False
    if_not_exists: bool = False
    is_source: bool = False  # CREATE SOURCE STREAM|TABLE: read-only, materialised where a table


@dataclass(frozen=True)
class CreateAsSelect(Statement):
    kind: SourceKind
    name: str
    properties: Properties
    query: Select
    or_replace: bool = False
    if_not_exists: bool = False


@dataclass(frozen=True)
class InsertInto(Statement):
    """INSERT INTO target [WITH (...)] SELECT ..."""

    target: str
    properties: Properties
    query: Select


@dataclass(frozen=True)
class InsertValues(Statement):
    target: str
    columns: tuple[str, ...]  # empty: all of them, in order
    values: tuple[Expression, ...]


@dataclass(frozen=True)
class Query(Statement):
    """A SELECT by itself: a push query where it has EMIT, else a pull query."""

    select: Select


@dataclass(frozen=True)
class RawQuery(Statement):
    """A SELECT or WITH that is not in ksqlDB's grammar: ordinary SQL for a pull query, kept as `text`."""


@dataclass(frozen=True)
class DropSource(Statement):
    kind: SourceKind
    name: str
    if_exists: bool = False
    delete_topic: bool = False


@dataclass(frozen=True)
class AlterSource(Statement):
    kind: SourceKind
    name: str
    columns: tuple[ColumnDefinition, ...]  # the ones added


@dataclass(frozen=True)
class CreateType(Statement):
    name: str
    type: SqlType
    if_not_exists: bool = False


@dataclass(frozen=True)
class DropType(Statement):
    name: str
    if_exists: bool = False


@dataclass(frozen=True)
class CreateConnector(Statement):
    kind: OneOf["SOURCE", "SINK"]
    name: str
    properties: Properties  # names as written
    if_not_exists: bool = False


@dataclass(frozen=True)
class DropConnector(Statement):
    """Names of connectors are as identifiers are, but as written where quoted in any way: `c` is C, 'c' is c."""

    name: str
    if_exists: bool = False


@dataclass(frozen=True)
class PauseConnector(Statement):
    name: str


@dataclass(frozen=True)
class ResumeConnector(Statement):
    name: str


@dataclass(frozen=True)
class Terminate(Statement):
    query_id: str | None  # None: ALL


@dataclass(frozen=True)
class Pause(Statement):
    query_id: str | None


@dataclass(frozen=True)
class Resume(Statement):
    query_id: str | None


@dataclass(frozen=True)
class SetProperty(Statement):
    name: str
    value: str


@dataclass(frozen=True)
class UnsetProperty(Statement):
    name: str


@dataclass(frozen=True)
class AlterSystem(Statement):
    name: str
    value: str


@dataclass(frozen=True)
class Define(Statement):
    """Names of variables are as written; they are looked up whatever their case."""

    name: str
    value: str


@dataclass(frozen=True)
class Undefine(Statement):
    name: str


@dataclass(frozen=True)
class Show(Statement):
    """SHOW or LIST: STREAMS, TABLES, TOPICS, ALL TOPICS, QUERIES, PROPERTIES, FUNCTIONS, TYPES, CONNECTORS, SOURCE CONNECTORS, SINK CONNECTORS,
    CONNECTOR PLUGINS, VARIABLES."""

    what: str
    extended: bool = False


@dataclass(frozen=True)
class Describe(Statement):
    """DESCRIBE name [EXTENDED], DESCRIBE STREAMS|TABLES [EXTENDED], DESCRIBE FUNCTION|CONNECTOR name."""

    what: OneOf["SOURCE", "STREAMS", "TABLES", "FUNCTION", "CONNECTOR"]
    name: str | None = None
    extended: bool = False


@dataclass(frozen=True)
class Explain(Statement):
    """EXPLAIN of a running query by id, or of a statement."""

    query_id: str | None = None
    statement: Statement | None = None
    analyze: bool = False


@dataclass(frozen=True)
class Print(Statement):
    topic: str  # as written, quoted or not
    from_beginning: bool = False
    interval: int | None = None  # every n-th record
    limit: int | None = None


@dataclass(frozen=True)
class RunScript(Statement):
    path: str


@dataclass(frozen=True)
class Spool(Statement):
    path: str | None  # None: OFF


@dataclass(frozen=True)
class AssertSource(Statement):
    """ASSERT STREAM|TABLE: what is not given is not looked at."""

    kind: OneOf["STREAM", "TABLE"]
    name: str
    columns: tuple[ColumnDefinition, ...]
    properties: Properties


@dataclass(frozen=True)
class AssertValues(Statement):
    """ASSERT VALUES, or with `tombstone` ASSERT NULL VALUES ... KEY, whose values are those of the key."""

    source: str
    columns: tuple[str, ...]
    values: tuple[Expression, ...]
    tombstone: bool = False


@dataclass(frozen=True)
class AssertTopic(Statement):
    topic: str
    properties: Properties
    exists: bool = True
    timeout_ms: int | None = None


@dataclass(frozen=True)
class AssertSchema(Statement):
    subject: str | None
    id: int | None
    exists: bool = True
    timeout_ms: int | None = None
