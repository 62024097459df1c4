"""What the rules of grammar.lark for statements become: one function a rule, of its place and its children."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, cast

from penstock.errors import Position, SqlError
from penstock.sql import ast
from penstock.sql.tokens import Token
from penstock.sql.types import Named, SqlType

Property = tuple[str, bool, ast.PropertyValue, Position]
Columns = tuple[ast.ColumnDefinition, ...]


def _query_statement(at: Position, select: ast.Select) -> ast.Query:
    return ast.Query(select, position=at)


# ---------------------------------------------------------------------------------------------- sources


def _creating(at: Position, or_replace: bool) -> bool:
    return or_replace


def _create_source(
    at: Position, or_replace: bool, kind: str, if_not_exists: bool, name: str, columns: Columns | None, properties: list[Property]
) -> ast.CreateSource:
    return ast.CreateSource(cast(Any, kind), name, columns or (), _options(properties), or_replace, if_not_exists, position=at)


def _create_read_only_source(
    at: Position, or_replace: bool, kind: str, if_not_exists: bool, name: str, columns: Columns | None, properties: list[Property]
) -> ast.CreateSource:
    return ast.CreateSource(cast(Any, kind), name, columns or (), _options(properties), or_replace, if_not_exists, True, position=at)


def _create_as_select(
    at: Position,
    or_replace: bool,
    kind: str,
    if_not_exists: bool,
    name: str,
    columns: Columns | None,
    properties: list[Property],
    query: ast.Select,
) -> ast.CreateAsSelect:
    if columns is not None:
        raise SqlError(
            f"CREATE {kind} AS takes its columns from the query.",
            mend="Leave out the list of columns, and name each in the query: expression AS name.",
            position=columns[0].position if columns else at,
        )
    return ast.CreateAsSelect(cast(Any, kind), name, _options(properties), query, or_replace, if_not_exists, position=at)


def _columns(at: Position, *definitions: ast.ColumnDefinition) -> Columns:
    return definitions


def _column(at: Position, name: str, type_: SqlType, constraint: tuple[str, str | None] | None) -> ast.ColumnDefinition:
    if isinstance(type_, Named) and type_.name in ("KEY", "PRIMARY", "HEADER", "HEADERS"):
        raise SqlError(f"The column {name} has no type.", mend=f"Write its type before {type_.name}.", position=at)
    kind, header_name = constraint or (None, None)
    return ast.ColumnDefinition(name, type_, cast(Any, kind), header_name, position=at)


def _key(at: Position) -> tuple[str, None]:
    return "KEY", None


def _primary_key(at: Position) -> tuple[str, None]:
    return "PRIMARY KEY", None


def _headers(at: Position) -> tuple[str, None]:
    return "HEADERS", None


def _header(at: Position, token: Token) -> tuple[str, str]:
    return "HEADER", token.unquoted


def _drop_source(at: Position, kind: str, if_exists: bool, name: str, delete_topic: bool) -> ast.DropSource:
    return ast.DropSource(cast(Any, kind), name, if_exists, delete_topic, position=at)


def _alter_source(at: Position, kind: str, name: str, *additions: ast.ColumnDefinition) -> ast.AlterSource:
    return ast.AlterSource(cast(Any, kind), name, additions, position=at)


def _insert_into(at: Position, target: str, properties: list[Property], query: ast.Select) -> ast.InsertInto:
    return ast.InsertInto(target, _options(properties), query, position=at)


def _names(at: Position, *identifiers: str) -> tuple[str, ...]:
    return identifiers


def _insert_values(at: Position, target: str, names: tuple[str, ...], *values: ast.Expression) -> ast.InsertValues:
    return ast.InsertValues(target, names, values, position=at)


def _create_type(at: Position, if_not_exists: bool, name: str, type_: SqlType) -> ast.CreateType:
    return ast.CreateType(name, type_, if_not_exists, position=at)


def _drop_type(at: Position, if_exists: bool, name: str) -> ast.DropType:
    return ast.DropType(name, if_exists, position=at)


# ---------------------------------------------------------------------------------------------- options


def _property(at: Position, name: tuple[str, bool], value: ast.PropertyValue) -> Property:
    return (*name, value, at)


def _property_word(at: Position, word: Token) -> tuple[str, bool]:
    return word.text, False


def _property_quoted(at: Position, token: Token) -> tuple[str, bool]:
    return token.unquoted, True


def _properties(at: Position, *pairs: Property) -> list[Property]:
    return list(pairs)


def _options(pairs: list[Property], *, as_written: bool = False) -> ast.Properties:
    found: ast.Properties = {}
    for written, _, value, at in pairs:
        name = written if as_written else written.upper()
        if name in found:
            raise SqlError(f"The option {name} is given twice.", mend="Leave one of them out.", position=at)
        found[name] = value
    return found


def _true_value(at: Position) -> bool:
    return True


def _false_value(at: Position) -> bool:
    return False


def _number_value(at: Position, value: int | Decimal | float) -> ast.PropertyValue:
    return value


def _negative_value(at: Position, value: int | Decimal | float) -> ast.PropertyValue:
    return value.copy_negate() if isinstance(value, Decimal) else -value


# ---------------------------------------------------------------------------------------------- connectors


def _create_connector(at: Position, or_replace: bool, kind: str, if_not_exists: bool, name: str, properties: list[Property]) -> ast.CreateConnector:
    if or_replace:
        raise SqlError("A connector cannot be replaced.", mend="DROP CONNECTOR first, then create it anew.", position=at)
    return ast.CreateConnector(cast(Any, kind), name, _options(properties, as_written=True), if_not_exists, position=at)


def _drop_connector(at: Position, if_exists: bool, name: str) -> ast.DropConnector:
    return ast.DropConnector(name, if_exists, position=at)


def _pause_connector(at: Position, name: str) -> ast.PauseConnector:
    return ast.PauseConnector(name, position=at)


def _resume_connector(at: Position, name: str) -> ast.ResumeConnector:
    return ast.ResumeConnector(name, position=at)


# ---------------------------------------------------------------------------------------------- queries and settings


def _terminate(at: Position, query_id: str | None) -> ast.Terminate:
    return ast.Terminate(query_id, position=at)


def _pause(at: Position, query_id: str | None) -> ast.Pause:
    return ast.Pause(query_id, position=at)


def _resume(at: Position, query_id: str | None) -> ast.Resume:
    return ast.Resume(query_id, position=at)


def _set_property(at: Position, name: Token, value: ast.PropertyValue) -> ast.SetProperty:
    return ast.SetProperty(name.unquoted, _setting(value), position=at)


def _unset_property(at: Position, name: Token) -> ast.UnsetProperty:
    return ast.UnsetProperty(name.unquoted, position=at)


def _alter_system(at: Position, name: Token, value: ast.PropertyValue) -> ast.AlterSystem:
    return ast.AlterSystem(name.unquoted, _setting(value), position=at)


def _setting(value: ast.PropertyValue) -> str:
    if value is None or isinstance(value, bool):
        return {None: "", True: "true", False: "false"}[value]
    return str(value)


def _define(at: Position, name: str, value: Token) -> ast.Define:
    return ast.Define(name, value.unquoted, position=at)


def _undefine(at: Position, name: str) -> ast.Undefine:
    return ast.Undefine(name, position=at)


# ---------------------------------------------------------------------------------------------- looking


def _show(at: Position, _: None, what: str) -> ast.Show:
    return ast.Show(what, position=at)


def _show_extended(at: Position, _: None, what: str, extended: bool) -> ast.Show:
    return ast.Show(what, extended, position=at)


def _describe_source(at: Position, name: str, extended: bool) -> ast.Describe:
    return ast.Describe("SOURCE", name, extended, position=at)


def _describe_extended(at: Position, name: str) -> ast.Describe:
    return ast.Describe("SOURCE", name, True, position=at)


def _describe_streams(at: Position, extended: bool) -> ast.Describe:
    return ast.Describe("STREAMS", None, extended, position=at)


def _describe_tables(at: Position, extended: bool) -> ast.Describe:
    return ast.Describe("TABLES", None, extended, position=at)


def _describe_function(at: Position, name: str) -> ast.Describe:
    return ast.Describe("FUNCTION", name, position=at)


def _describe_connector(at: Position, name: str) -> ast.Describe:
    return ast.Describe("CONNECTOR", name, position=at)


def _explain_query(at: Position, analyze: bool, query_id: str) -> ast.Explain:
    return ast.Explain(query_id, None, analyze, position=at)


def _explain_statement(at: Position, analyze: bool, statement: ast.Statement) -> ast.Explain:
    if isinstance(statement, ast.Explain):
        raise SqlError("EXPLAIN cannot be explained.", mend="Write EXPLAIN once.", position=statement.position)
    return ast.Explain(None, statement, analyze, position=at)


def _print_topic(at: Position, topic: str, from_beginning: bool, interval: int | None, limit: int | None) -> ast.Print:
    if interval == 0:
        raise SqlError("The INTERVAL of PRINT is 1 or more: every n-th record is printed.", position=at)
    return ast.Print(topic, from_beginning, interval, limit, position=at)


def _run_script(at: Position, path: Token) -> ast.RunScript:
    return ast.RunScript(path.unquoted, position=at)


def _spool(at: Position, path: Token) -> ast.Spool:
    return ast.Spool(path.unquoted, position=at)


def _spool_off(at: Position) -> ast.Spool:
    return ast.Spool(None, position=at)


def _assert_source(at: Position, kind: str, name: str, columns: Columns | None, properties: list[Property]) -> ast.AssertSource:
    return ast.AssertSource(cast(Any, kind), name, columns or (), _options(properties), position=at)


def _assert_values(at: Position, source: str, names: tuple[str, ...], *values: ast.Expression) -> ast.AssertValues:
    return ast.AssertValues(source, names, values, position=at)


def _assert_tombstone(at: Position, source: str, names: tuple[str, ...], *values: ast.Expression) -> ast.AssertValues:
    return ast.AssertValues(source, names, values, True, position=at)


def _assert_topic(at: Position, not_exists: bool, topic: str, properties: list[Property], timeout_ms: int | None) -> ast.AssertTopic:
    return ast.AssertTopic(topic, _options(properties), not not_exists, timeout_ms, position=at)


def _assert_schema(at: Position, not_exists: bool, subject: str | None, schema_id: int | None, timeout_ms: int | None) -> ast.AssertSchema:
    if subject is None and schema_id is None:
        raise SqlError("ASSERT SCHEMA needs to know which schema.", mend="Say SUBJECT name, or ID number, or both.", position=at)
    return ast.AssertSchema(subject, schema_id, not not_exists, timeout_ms, position=at)
