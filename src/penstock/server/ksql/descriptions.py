"""Sources, queries, functions and connectors as ksqlDB's answers describe them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from penstock.catalog.model import DataSource, PersistentQuery
from penstock.plan import explain
from penstock.plan.steps import QueryPlan, Sink, sources_of
from penstock.server.ksql.schema import field_objects, source_fields, type_object
from penstock.statements.connectors import known_connector, state_of, tasks_of
from penstock.statements.describe import reads

if TYPE_CHECKING:
    from penstock.database import Database
    from penstock.functions.define import Function


def source_line(source: DataSource) -> dict[str, Any]:
    """A stream or table in a list."""
    return {
        "type": source.kind, "name": source.name, "topic": source.topic, "format": source.value_format.name, "keyFormat": source.key_format.name,
        "valueFormat": source.value_format.name, "isWindowed": source.window is not None,
    }  # fmt: skip


def query_state(db: Database, query: PersistentQuery) -> str:
    """RUNNING, PAUSED or ERROR."""
    running = db.runtime.queries.get(query.id)
    return running.state if running else query.state


def query_line(db: Database, query: PersistentQuery) -> dict[str, Any]:
    """A query in a list."""
    state = query_state(db, query)
    return {
        "queryString": query.sql, "sinks": [query.plan.target], "sinkKafkaTopics": [query.plan.topic], "id": query.id,
        "statusCount": {state: 1}, "queryType": "PERSISTENT", "state": state,
    }  # fmt: skip


def source_description(db: Database, source: DataSource, *, extended: bool) -> dict[str, Any]:
    """A stream or table closely."""
    queries = db.catalog.queries()
    found = db.log.topic(source.topic)
    partitions = found.partitions if found else 0
    records = sum(db.log.end_offset(source.topic, p) - db.log.start_offset(source.topic, p) for p in range(partitions))
    return {
        "name": source.name,
        "windowType": source.window.kind if source.window else None,
        "readQueries": [query_line(db, q) for q in queries if source.name in reads(q.plan)],
        "writeQueries": [query_line(db, q) for q in queries if q.plan.target == source.name],
        "fields": source_fields(source),
        "type": source.kind,
        "key": ", ".join(c.name for c in source.schema.key),
        "timestamp": source.timestamp.column if source.timestamp else "",
        "format": source.value_format.name,
        "keyFormat": source.key_format.name,
        "valueFormat": source.value_format.name,
        "topic": source.topic,
        "partitions": partitions if extended else 0,
        "replication": 1 if extended else 0,
        "extended": extended,
        "statistics": f"records: {records}" if extended else "",
        "errorStats": "",
        "statement": source.sql,
        "queryOffsetSummaries": [_offsets(db, q, source.topic) for q in queries if source.name in reads(q.plan)] if extended else [],
        "sourceConstraints": [],
        "clusterStatistics": [],
        "clusterErrorStats": [],
    }


def _offsets(db: Database, query: PersistentQuery, topic: str) -> dict[str, Any]:
    """How far a query has read a topic."""
    offsets = []
    for (of, partition), offset in sorted(db.log.committed(query.id).items()):
        if of == topic:
            start, end = db.log.start_offset(topic, partition), db.log.end_offset(topic, partition)
            offsets.append({"partition": partition, "logStartOffset": start, "logEndOffset": end, "consumerOffset": offset})
    return {"groupId": query.id, "topicSummaries": [{"kafkaTopic": topic, "offsets": offsets}]}


def plan_description(
    plan: Sink | QueryPlan, *, query_id: str = "", sql: str = "", state: str | None = None, reason: str | None = None
) -> dict[str, Any]:
    """A query's plan: of one that runs, or of a statement."""
    root = plan.root if isinstance(plan, QueryPlan) else plan
    sinks = [root.target] if isinstance(root, Sink) else []
    window = next((s.window.kind for s in sources_of(root) if s.window), None)
    text = explain(plan)
    return {
        "id": query_id,
        "statementText": sql,
        "windowType": window,
        "fields": field_objects(root.schema.key, root.schema.value),
        "sources": sorted({source.source for source in sources_of(root)}),
        "sinks": sinks,
        "executionPlan": text,
        "topology": text,
        "overriddenProperties": {},
        "ksqlHostQueryStatus": {} if state is None else {"localhost": state},
        "queryType": "PERSISTENT" if sinks else "PUSH",
        "queryErrors": [] if reason is None else [{"errorMessage": reason}],
        "tasksMetadata": [],
        "state": state,
    }


def function_description(found: Function) -> dict[str, Any]:
    """A function and its forms."""
    forms = []
    for overload in found.overloads:
        arguments = [
            {"name": p.name, "type": str(p.type), "description": found.parameters.get(p.name, ""), "isVariadic": p.variadic}
            for p in overload.signature.parameters
        ]
        forms.append({"arguments": arguments, "returnType": str(overload.signature.returns), "description": found.summary})
    return {
        "name": found.name, "description": "\n\n".join(filter(None, (found.summary, found.details))), "author": "", "version": "",
        "path": "internal" if found.builtin else "", "type": found.kind, "functions": forms,
    }  # fmt: skip


def type_objects(db: Database) -> dict[str, Any]:
    """The custom types by name."""
    return {t.name: type_object(t.type) for t in sorted(db.catalog.types(), key=lambda t: t.name)}


def connector_line(db: Database, name: str) -> dict[str, Any]:
    """A connector in a list."""
    status = db.connectors.status(name)
    running = sum(task.state == "RUNNING" for task in status.tasks)
    states = {task.state for task in status.tasks}
    state = state_of(known_connector(db, name), status)
    if state == "RUNNING":
        state = f"RUNNING ({running}/{len(status.tasks)} tasks RUNNING)"
    elif state == "FAILED" and states != {"FAILED"}:
        state = f"WARNING ({running}/{len(status.tasks)} tasks RUNNING)"
    return {"name": name, "type": status.kind.lower(), "className": status.class_name, "state": state}


def connector_info(db: Database, name: str) -> dict[str, Any]:
    """A connector's configuration, secrets hidden, and its tasks."""
    status = db.connectors.status(name)
    return {
        "name": name, "config": {**status.options, "name": name}, "type": status.kind.lower(),
        "tasks": [{"connector": name, "task": task.id} for task in tasks_of(known_connector(db, name), status)],
    }  # fmt: skip


def connector_description(db: Database, name: str) -> dict[str, Any]:
    """A connector's state, which is what it is to be, and those of its tasks, as Kafka Connect tells them; and the streams and tables over its
    topics."""
    connector, status = known_connector(db, name), db.connectors.status(name)

    def state(of: str, trace: str) -> dict[str, Any]:
        return {"state": of, "worker_id": "penstock", "trace": trace or None}

    topics = [text.strip() for key, value in status.options.items() if key in ("topics", "kafka.topic") for text in value.split(",")]
    return {
        "connectorClass": status.class_name,
        "status": {
            "name": name, "connector": state(connector.state, ""), "type": status.kind.lower(),
            "tasks": [{"id": task.id, **state(task.state, task.reason)} for task in tasks_of(connector, status)],
        },
        "sources": [source_description(db, s, extended=False) for s in db.catalog.sources() if s.topic in topics],
        "topics": topics,
    }  # fmt: skip
