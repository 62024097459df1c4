"""AST -> text that parses back to the same: for EXPLAIN, DESCRIBE and the catalog."""

from __future__ import annotations

from penstock.sql import ast, tables
from penstock.sql.format_expressions import format_expression, format_name, format_string, format_value
from penstock.sql.tokens import RESERVED
from penstock.sql.types import quote

__all__ = [
    "format_column", "format_duration", "format_expression", "format_name", "format_select", "format_statement", "format_string", "format_value",
]  # fmt: skip

_UNITS_MS = (("DAY", 86_400_000), ("HOUR", 3_600_000), ("MINUTE", 60_000), ("SECOND", 1_000), ("MILLISECOND", 1))


def format_statement(statement: ast.Statement) -> str:
    """The statement on one line, without a semicolon: `parse_one` of it gives an equal statement."""
    match statement:
        case ast.Query(select):
            return format_select(select)
        case ast.RawQuery():
            return statement.text
        case ast.CreateSource() | ast.CreateAsSelect() | ast.CreateType() | ast.CreateConnector():
            return _create(statement)
        case ast.InsertInto(target, properties, query):
            return _joined("INSERT INTO", format_name(target), _properties(properties), format_select(query))
        case ast.InsertValues(target, columns, values):
            names = f"({', '.join(map(format_name, columns))})" if columns else ""
            return _joined("INSERT INTO", format_name(target), names, f"VALUES ({', '.join(map(format_expression, values))})")
        case ast.DropSource(kind, name, if_exists, delete_topic):
            return _joined("DROP", kind, _if(if_exists, "IF EXISTS"), format_name(name), _if(delete_topic, "DELETE TOPIC"))
        case ast.DropType(name, if_exists):
            return _joined("DROP TYPE", _if(if_exists, "IF EXISTS"), format_name(name))
        case ast.DropConnector(name, if_exists):
            return _joined("DROP CONNECTOR", _if(if_exists, "IF EXISTS"), format_name(name))
        case ast.PauseConnector(name):
            return f"PAUSE CONNECTOR {format_name(name)}"
        case ast.ResumeConnector(name):
            return f"RESUME CONNECTOR {format_name(name)}"
        case ast.AlterSource(kind, name, columns):
            return f"ALTER {kind} {format_name(name)} {', '.join(f'ADD COLUMN {format_column(column)}' for column in columns)}"
        case ast.Explain(query_id, explained, analyze):
            what = _careful(query_id) if query_id is not None else format_statement(explained) if explained else ""
            return _joined("EXPLAIN", _if(analyze, "ANALYZE"), what)
    return _command(statement)


def _command(statement: ast.Statement) -> str:
    match statement:
        case ast.Terminate(query_id) | ast.Pause(query_id) | ast.Resume(query_id):
            return f"{type(statement).__name__.upper()} {'ALL' if query_id is None else _careful(query_id)}"
        case ast.SetProperty(name, value):
            return f"SET {format_string(name)} = {format_string(value)}"
        case ast.UnsetProperty(name):
            return f"UNSET {format_string(name)}"
        case ast.AlterSystem(name, value):
            return f"ALTER SYSTEM {format_string(name)} = {format_string(value)}"
        case ast.Define(name, value):
            return f"DEFINE {_raw(name)} = {format_string(value)}"
        case ast.Undefine(name):
            return f"UNDEFINE {_raw(name)}"
        case ast.Show(what, extended):
            return _joined("SHOW", what, _if(extended, "EXTENDED"))
        case ast.Describe(what, name, extended):
            named = "" if name is None else _careful(name)
            return _joined("DESCRIBE", "" if what == "SOURCE" else what, named, _if(extended, "EXTENDED"))
        case ast.Print(topic, from_beginning, interval, limit):
            every, at_most = _if(interval is not None, f"INTERVAL {interval}"), _if(limit is not None, f"LIMIT {limit}")
            return _joined("PRINT", format_string(topic), _if(from_beginning, "FROM BEGINNING"), every, at_most)
        case ast.RunScript(path):
            return f"RUN SCRIPT {format_string(path)}"
        case ast.Spool(path):
            return "SPOOL OFF" if path is None else f"SPOOL {format_string(path)}"
        case ast.AssertSource(kind, name, columns, properties):
            listed = f"({', '.join(map(format_column, columns))})" if columns else ""
            return _joined("ASSERT", kind, format_name(name), listed, _properties(properties))
        case ast.AssertValues(source, columns, values, tombstone):
            named = f"({', '.join(map(format_name, columns))})" if columns else ""
            given = ", ".join(map(format_expression, values))
            return _joined("ASSERT", _if(tombstone, "NULL"), "VALUES", format_name(source), named, "KEY" if tombstone else "VALUES", f"({given})")
        case ast.AssertTopic(topic, properties, exists, timeout_ms):
            subject = f"TOPIC {format_string(topic)}"
            return _joined("ASSERT", _if(not exists, "NOT EXISTS"), subject, _properties(properties), _timeout(timeout_ms))
        case ast.AssertSchema(subject_name, schema_id, exists, timeout_ms):
            subject = _if(subject_name is not None, f"SUBJECT {format_string(subject_name or '')}")
            number = _if(schema_id is not None, f"ID {schema_id}")
            return _joined("ASSERT", _if(not exists, "NOT EXISTS"), "SCHEMA", subject, number, _timeout(timeout_ms))
    raise AssertionError(f"no way to write a {type(statement).__name__}")


def _create(statement: ast.CreateSource | ast.CreateAsSelect | ast.CreateType | ast.CreateConnector) -> str:
    unless = _if(statement.if_not_exists, "IF NOT EXISTS")
    name = format_name(statement.name)
    match statement:
        case ast.CreateType():
            return _joined("CREATE TYPE", unless, name, f"AS {statement.type}")
        case ast.CreateConnector():
            return _joined("CREATE", statement.kind, "CONNECTOR", unless, name, _properties(statement.properties, as_written=True))
    start = _joined("CREATE", _if(statement.or_replace, "OR REPLACE"))
    if isinstance(statement, ast.CreateAsSelect):
        return _joined(start, statement.kind, unless, name, _properties(statement.properties), "AS", format_select(statement.query))
    columns = f"({', '.join(map(format_column, statement.columns))})" if statement.columns else ""
    return _joined(start, _if(statement.is_source, "SOURCE"), statement.kind, unless, name, columns, _properties(statement.properties))


def format_column(column: ast.ColumnDefinition) -> str:
    """A column definition, like ``ID BIGINT PRIMARY KEY``."""
    constraint = f"HEADER({format_string(column.header or '')})" if column.constraint == "HEADER" else column.constraint or ""
    return _joined(format_name(column.name), str(column.type), constraint)


def format_select(select: ast.Select) -> str:
    """A query on one line."""
    clauses = (
        ("WHERE", select.where and format_expression(select.where)),
        ("GROUP BY", ", ".join(map(_value, select.group_by))),
        ("PARTITION BY", ", ".join(map(_value, select.partition_by))),
        ("HAVING", select.having and format_expression(select.having)),
        ("EMIT", select.emit),
        ("LIMIT", None if select.limit is None else str(select.limit)),
    )
    items = ", ".join(map(_item, select.items))
    window = _window(select.window) if select.window else ""
    return _joined("SELECT", items, "FROM", _relation(select.relation), window, *(f"{word} {what}" for word, what in clauses if what))


def _value(expression: ast.Expression) -> str:
    """Groups are not conditions: one that is needs brackets."""
    loose = isinstance(expression, ast.Logical | ast.Not | ast.Comparison | ast.Between | ast.In | ast.Like | ast.IsNull)
    return f"({format_expression(expression)})" if loose else format_expression(expression)


def _item(item: ast.SelectItem | ast.SelectAll | ast.SelectStructAll) -> str:
    match item:
        case ast.SelectAll(source):
            return "*" if source is None else f"{format_name(source)}.*"
        case ast.SelectStructAll(base):
            return format_expression(ast.Dereference(base, "F")).removesuffix("F") + "*"
        case ast.SelectItem(expression, alias):
            return _joined(format_expression(expression), "" if alias is None else f"AS {format_name(alias)}")


def _relation(relation: ast.Relation) -> str:
    joins: list[str] = []
    while isinstance(relation, ast.Join):
        within = _within(relation.within) if relation.within else ""
        kind = "JOIN" if relation.kind == "INNER" else f"{relation.kind} JOIN"
        joins.append(_joined(kind, _source(relation.right), within, "ON", format_expression(relation.condition)))
        relation = relation.left
    return _joined(_source(relation), *reversed(joins))


def _source(source: ast.Source) -> str:
    return _joined(format_name(source.name), "" if source.alias is None else f"AS {format_name(source.alias)}")


def _within(within: ast.Within) -> str:
    before, after = format_duration(within.before_ms), format_duration(within.after_ms)
    return _joined("WITHIN", before if before == after else f"({before}, {after})", _optional("GRACE PERIOD", within.grace_ms))


def _window(window: ast.Window) -> str:
    size = format_duration(window.size_ms)
    parts = (
        size if window.kind == "SESSION" else f"SIZE {size}",
        _optional("ADVANCE BY", window.advance_ms),
        _optional("RETENTION", window.retention_ms),
        _optional("GRACE PERIOD", window.grace_ms),
    )
    return f"WINDOW {window.kind} ({', '.join(part for part in parts if part)})"


def _optional(words: str, ms: int | None) -> str:
    return "" if ms is None else f"{words} {format_duration(ms)}"


def _timeout(ms: int | None) -> str:
    return _optional("TIMEOUT", ms)


def format_duration(ms: int) -> str:
    """A duration in the largest unit that it is a whole number of: ``6 HOURS``."""
    unit, size = next((unit, size) for unit, size in _UNITS_MS if ms % size == 0 and (ms or size == 1_000))
    return f"{ms // size} {unit}{'S' if ms != size else ''}"


def _properties(properties: ast.Properties, *, as_written: bool = False) -> str:
    if not properties:
        return ""
    pairs = (f"{format_string(name) if as_written else format_name(name)} = {format_value(value)}" for name, value in properties.items())
    return f"WITH ({', '.join(pairs)})"


def _careful(name: str) -> str:
    """A name where keywords could stand as well."""
    return quote(name) if name in tables.load().keywords else format_name(name)


def _raw(name: str) -> str:
    return name if name.isidentifier() and name.isascii() and name.upper() not in RESERVED else quote(name)


def _if(condition: bool, words: str) -> str:
    return words if condition else ""


def _joined(*parts: str) -> str:
    return " ".join(part for part in parts if part)
