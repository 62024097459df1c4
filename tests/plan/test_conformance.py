"""ksqlDB's own cases: what must work plans, with the schemas that the case says; what must be refused at planning is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cases import FILES
from tests.plan.world import World

from penstock.errors import Error
from penstock.plan import schema_text
from penstock.plan.steps import QueryPlan
from penstock.registry.embedded import EmbeddedRegistry
from penstock.registry.model import Reference, Schema, SchemaType
from penstock.registry.store import MemoryStore
from penstock.sql.parser import parse

pytestmark = pytest.mark.needs("conformance")

# Limits of ksqlDB's pull queries that Penstock lifts: such a case holds whether it is refused or not.
LIFTED = re.compile(
    r"Pull queries don't support (GROUP BY|JOIN) clauses|must currently be '='|missing key column|comparison must be between a key column|"
    r"cannot be combined with other comparisons|must specify every key|table scan to be enabled|Like condition must be between strings"
)
ELSEWHERE = {
    "Exception caught in process": "the record is refused when it is processed",
    "Cannot delete topic for read-only source: INPUT": "DROP is checked when it is run",
    "SELECT column 'WINDOWSTART' cannot be resolved.": "Penstock knows the window of an aggregation over a join",
}
"""What a case wants refused that planning does not refuse, and why."""
OWN_FUNCTIONS = re.compile(r"MID_VAR_ARG|OBJ_COL_ARG|VAR_ARG|TEST_UDTF|test_udf|bad_test_udf|toList|STATIC_METHOD|MULTI_ARG", re.IGNORECASE)
"""Functions of ksqlDB's test code, which no product has."""
BY_ID = re.compile(r"schema_id=2, PARTITIONS|value_schema_id=3, PARTITIONS|value_schema_id=4, PARTITIONS")
"""Sinks whose schema has the id that it gets where the schemas of sources are registered before those of topics, as in ksqlDB's test tool."""
TYPES: dict[str, SchemaType] = {"AVRO": "AVRO", "JSON": "JSON", "JSON_SR": "JSON", "PROTOBUF": "PROTOBUF"}


def expanded(path: Path) -> Iterator[dict[str, Any]]:
    """The cases of a file, one for each format and setting that a case names."""
    for case in json.loads(path.read_text())["tests"]:
        for name in case.get("format", [None]):
            for config in case.get("config", [None]):
                text = json.dumps(case)
                for token, value in (("{FORMAT}", name), ("{CONFIG}", config)):
                    text = text.replace(token, str(value)) if value is not None else text
                yield json.loads(text)


def world(case: dict[str, Any]) -> World:
    """A catalog with the topics and schemas of a case."""
    schemas = EmbeddedRegistry(MemoryStore())
    made = World({k: str(v) for k, v in case.get("properties", {}).items()}, registry=schemas)
    for topic in case.get("topics", []):
        made.topics[topic["name"]] = topic.get("partitions", 1)
        references = []
        value_format = topic.get("valueFormat", topic.get("format"))
        for given in topic.get("valueSchemaReferences", []):
            text = given["schema"] if isinstance(given["schema"], str) else json.dumps(given["schema"])
            schemas.register(given["name"], Schema(text, TYPES[value_format]))
            references.append(Reference(given["name"], given["name"], 1))
        for side, format_name, schema, refers in (
            ("key", topic.get("keyFormat"), topic.get("keySchema"), ()),
            ("value", value_format, topic.get("valueSchema", topic.get("schema")), tuple(references)),
        ):
            if schema is not None:
                text = schema if format_name == "PROTOBUF" else json.dumps(schema)
                schemas.register(f"{topic['name']}-{side}", Schema(text, TYPES[format_name or "AVRO"], refers), id=topic.get(f"{side}SchemaId"))
    return made


def normal(schema: str) -> str:
    """A schema's text without backticks, and with one spelling of its types."""
    text = re.sub(r"\s+", " ", schema.replace("`", "").replace("PRIMARY KEY", "KEY")).replace("< ", "<").replace(" >", ">").strip().upper()
    return re.sub(r"\s*,\s*", ", ", re.sub(r"\bINT\b", "INTEGER", text.replace("VARCHAR", "STRING")))


def verdict(case: dict[str, Any]) -> str | None:
    """What is wrong with how a case plans, or None."""
    wanted = case.get("expectedException") or case.get("expectedError")
    refused: Error | None = None
    held: World | None = None
    made: list[object] = []
    try:
        held = world(case)
        made = [held.one(statement) for sql in case["statements"] for statement in parse(sql)]
    except Error as error:
        refused = error
    if wanted:
        message = wanted.get("message") or ""
        return None if refused or LIFTED.search(message) or message in ELSEWHERE else f"accepted, but: {message}"
    if refused:
        return f"refused: {refused}"
    assert held is not None
    for source in case.get("post", {}).get("sources", []):
        found = held.source(source["name"])
        if found and source.get("schema") and normal(schema_text(found)) != normal(source["schema"]):
            return f"{source['name']} is {schema_text(found)}, not {source['schema']}"
    return wrong_answer(case, made)


def wrong_answer(case: dict[str, Any], made: list[object]) -> str | None:
    """Which query's answer has other columns than the case says."""
    for response, plan in zip(case.get("responses", []), made, strict=False):
        headers = [part["header"] for part in response.get("query", []) if "header" in part]
        if headers and isinstance(plan, QueryPlan) and "schema" in headers[0] and schema_text(plan) != headers[0]["schema"]:
            return f"the answer is {schema_text(plan)}, not {headers[0]['schema']}"
    return None


def plannable(case: dict[str, Any]) -> bool:
    """Whether a case needs nothing that only ksqlDB's test code has."""
    text = json.dumps(case)
    return not OWN_FUNCTIONS.search(text) and not BY_ID.search(text)


@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_cases_plan(path: Path) -> None:
    wrong = [f"{case['name']}: {found}" for case in expanded(path) if plannable(case) and (found := verdict(case))]
    assert wrong == []
