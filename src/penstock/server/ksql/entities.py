"""What each statement answers at /ksql: one function a statement, by the class of its syntax tree."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from penstock import functions, settings
from penstock.connect.contract import definitions
from penstock.errors import ConnectorError
from penstock.result import Result
from penstock.server.ksql import descriptions as about
from penstock.sql import ast
from penstock.statements.describe import explained_plan, explained_query, source_of
from penstock.statements.show import readers

if TYPE_CHECKING:
    from penstock.database import Database

Entity = dict[str, Any]


def _sources(db: Database, statement: ast.Show | ast.Describe) -> Entity:
    """SHOW STREAMS, SHOW TABLES, with EXTENDED, and DESCRIBE STREAMS."""
    kind = statement.what.removesuffix("S")
    found = sorted((s for s in db.catalog.sources() if s.kind == kind), key=lambda s: s.name)
    if statement.extended or isinstance(statement, ast.Describe):
        each = [about.source_description(db, s, extended=statement.extended) for s in found]
        return {"@type": "source_descriptions", "sourceDescriptions": each}
    name = statement.what.lower()
    return {"@type": name, name: [about.source_line(s) for s in found]}


def _topics(db: Database, statement: ast.Show) -> Entity:
    topics: list[Entity] = [
        {"name": topic.name, "replicaInfo": [1] * topic.partitions}
        for topic in db.log.topics()
        if statement.what == "ALL TOPICS" or not topic.internal
    ]
    if not statement.extended:
        return {"@type": "kafka_topics", "topics": topics}
    read = readers(db)
    for topic in topics:
        count = sum(topic["name"] in of_group for of_group in read.values())
        topic |= {"consumerCount": count, "consumerGroupCount": count}
    return {"@type": "kafka_topics_extended", "topics": topics}


def _queries(db: Database, statement: ast.Show) -> Entity:
    found = db.catalog.queries()
    if not statement.extended:
        return {"@type": "queries", "queries": [about.query_line(db, query) for query in found]}
    each = [about.plan_description(q.plan, query_id=q.id, sql=q.sql, state=about.query_state(db, q)) for q in found]
    return {"@type": "queryDescriptions", "queryDescriptions": each}


def _properties(db: Database, statement: ast.Show) -> Entity:
    active = sorted((s for s in settings.SETTINGS.values() if not s.no_effect), key=lambda s: s.name)
    properties = [
        {
            "name": s.name, "scope": "KSQL", "value": db.properties.get(s.name, settings.text_of(s.default)), "editable": not s.at_opening,
            "level": "SERVER",
        }
        for s in active
    ]  # fmt: skip
    return {
        "@type": "properties",
        "properties": properties,
        "overwrittenProperties": sorted(db.properties),
        "defaultProperties": [s.name for s in active if s.name not in db.properties],
    }


def _functions(db: Database, statement: ast.Show) -> Entity:
    found = [{"name": f.name, "type": f.kind, "category": f.group} for f in functions.all_functions()]
    return {"@type": "function_names", "functions": found}


def _types(db: Database, statement: ast.Show) -> Entity:
    return {"@type": "type_list", "types": about.type_objects(db)}


def _variables(db: Database, statement: ast.Show) -> Entity:
    names = db.session.variable_names
    return {"@type": "variables", "variables": [{"name": names.get(name, name), "value": value} for name, value in sorted(db.variables.items())]}


def _connectors(db: Database, statement: ast.Show) -> Entity:
    kind = statement.what.removesuffix("CONNECTORS").strip()
    found = sorted(c.name for c in db.catalog.connectors() if kind in ("", c.kind))
    return {"@type": "connector_list", "connectors": [about.connector_line(db, name) for name in found]}


def _plugins(db: Database, statement: ast.Show) -> Entity:
    found = [{"class": d.class_names[0], "type": d.kind.lower(), "version": ""} for d in definitions()]
    return {"@type": "connector_plugins_list", "connectorsPlugins": found}


SHOWN: Mapping[str, Callable[[Database, ast.Show], Entity]] = {
    "STREAMS": _sources,
    "TABLES": _sources,
    "TOPICS": _topics,
    "ALL TOPICS": _topics,
    "QUERIES": _queries,
    "PROPERTIES": _properties,
    "FUNCTIONS": _functions,
    "TYPES": _types,
    "VARIABLES": _variables,
    "CONNECTORS": _connectors,
    "SOURCE CONNECTORS": _connectors,
    "SINK CONNECTORS": _connectors,
    "CONNECTOR PLUGINS": _plugins,
}


def show(db: Database, statement: ast.Show) -> Entity:
    """SHOW and LIST."""
    return SHOWN[statement.what](db, statement)


def describe(db: Database, statement: ast.Describe) -> Entity:
    """DESCRIBE."""
    if statement.what in ("STREAMS", "TABLES"):
        return _sources(db, statement)
    assert statement.name is not None
    match statement.what:
        case "FUNCTION":
            return {"@type": "describe_function", **about.function_description(functions.describe(statement.name.upper()))}
        case "CONNECTOR":
            if db.catalog.connector(statement.name) is None:
                raise ConnectorError(f"There is no connector {statement.name}.", mend="SHOW CONNECTORS lists them.").at(statement.position)
            return {"@type": "connector_description", **about.connector_description(db, statement.name)}
    source = source_of(db, statement.name, statement)
    return {"@type": "sourceDescription", "sourceDescription": about.source_description(db, source, extended=statement.extended)}


def explain(db: Database, statement: ast.Explain) -> Entity:
    """EXPLAIN of a query that runs, or of a statement."""
    if statement.query_id is not None:
        query = explained_query(db, statement)
        running = db.runtime.queries.get(query.id)
        reason = running.error if running else None
        found = about.plan_description(query.plan, query_id=query.id, sql=query.sql, state=about.query_state(db, query), reason=reason)
        return {"@type": "queryDescription", "queryDescription": found | {"overriddenProperties": query.properties}}
    plan = explained_plan(db, statement)
    assert statement.statement is not None
    return {"@type": "queryDescription", "queryDescription": about.plan_description(plan, sql=statement.statement.text)}


LOOKS: Mapping[type, Callable[[Database, Any], Entity]] = {ast.Show: show, ast.Describe: describe, ast.Explain: explain}
"""Statements that only look: they are answered from the catalog."""


# ---------------------------------------------------------------------------------------------- after a statement was run


def created_connector(db: Database, statement: ast.CreateConnector, result: Result) -> Entity:
    """CREATE CONNECTOR: what was made, or a warning that it was there."""
    if not result.done:
        return {"@type": "warning_entity", "message": result.message}
    return {"@type": "connector_info", "info": about.connector_info(db, statement.name)}


def dropped_connector(db: Database, statement: ast.DropConnector, result: Result) -> Entity:
    """DROP CONNECTOR."""
    if not result.done:
        return {"@type": "warning_entity", "message": result.message}
    return {"@type": "drop_connector", "connectorName": statement.name, "message": result.message}


def asserted_topic(db: Database, statement: ast.AssertTopic, result: Result) -> Entity:
    """ASSERT TOPIC."""
    return {"@type": "assert_topic", "topicName": statement.topic, "exists": statement.exists}


def asserted_schema(db: Database, statement: ast.AssertSchema, result: Result) -> Entity:
    """ASSERT SCHEMA."""
    return {"@type": "assert_schema", "subject": statement.subject, "id": statement.id, "exists": statement.exists}


def asserted(db: Database, statement: ast.AssertSource | ast.AssertValues, result: Result) -> Entity:
    """The assertions of tests, which ksqlDB's server does not know."""
    return {"@type": "assertion", "message": result.message}


DONE: Mapping[type, Callable[[Database, Any, Result], Entity]] = {
    ast.CreateConnector: created_connector,
    ast.DropConnector: dropped_connector,
    ast.AssertTopic: asserted_topic,
    ast.AssertSchema: asserted_schema,
    ast.AssertSource: asserted,
    ast.AssertValues: asserted,
}
"""Statements that are run, and answer with something of their own."""

SILENT = (ast.InsertValues, ast.SetProperty, ast.UnsetProperty, ast.Define, ast.Undefine)
"""Statements that answer nothing, as in ksqlDB."""


def command_id(statement: ast.Statement, query_id: str | None) -> str:
    """The id of a command, by which /status knows it; `query_id` is that of the query which the statement began."""
    match statement:
        case ast.CreateSource(kind=kind, name=name) | ast.CreateAsSelect(kind=kind, name=name):
            return f"{kind.lower()}/{name}/create"
        case ast.DropSource(kind=kind, name=name):
            return f"{kind.lower()}/{name}/drop"
        case ast.AlterSource(kind=kind, name=name):
            return f"{kind.lower()}/{name}/alter"
        case ast.InsertInto():
            return f"stream/{query_id}/create"
        case ast.CreateType(name=name):
            return f"type/{name}/create"
        case ast.DropType(name=name):
            return f"type/{name}/drop"
        case ast.Terminate(query_id=name) | ast.Pause(query_id=name) | ast.Resume(query_id=name):
            return f"{type(statement).__name__.lower()}/{name or 'ALL'}/execute"
        case ast.PauseConnector(name=name) | ast.ResumeConnector(name=name):
            return f"connector/{name}/{type(statement).__name__.removesuffix('Connector').lower()}"
        case ast.AlterSystem(name=name):
            return f"cluster/{name}/alter"
        case ast.RunScript(path=path):
            return f"script/{path}/execute"
    raise AssertionError(f"no command id for {statement}")
