"""What may follow what: each type's rules, told in words with the field and the mend."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.registry.seeds import READING, READING_FIELDS, record

from penstock.registry.compatibility import violations
from penstock.registry.model import Compatibility, Reference, Schema, SchemaType


def nothing(reference: Reference) -> Schema:
    raise AssertionError(reference)


def check(new: str, old: str, kind: SchemaType = "AVRO", level: Compatibility = "BACKWARD") -> list[str]:
    return violations(Schema(new, kind), Schema(old, kind), level, nothing)


@pytest.mark.parametrize(("field", "problem"), [
    (("moisture", "double"), None),
    (("moisture", ["null", "float"]), None),
    (("moisture", "string"), "field moisture changed from float to string: keep its type, or add a new field instead."),
    (("moisture", "int"), "field moisture changed from float to int: keep its type, or add a new field instead."),
    (("moisture", ["null", "string"]), "field moisture was float, which no type of the union [null, string] can read: add that type to the union."),
    (("wetness", "float"), "Field wetness is new and has no default, so earlier records cannot be read: give it a default."),
])
def test_a_reading_changes(field: tuple[str, Any], problem: str | None) -> None:
    new = record("reading", READING_FIELDS[0], field, READING_FIELDS[2])
    assert check(new, READING) == ([problem] if problem else [])


def test_an_alias_keeps_a_renamed_field() -> None:
    renamed = json.loads(READING)
    renamed["fields"][1] |= {"name": "wetness", "aliases": ["moisture"]}
    assert check(json.dumps(renamed), READING) == []


def test_levels() -> None:
    wider = record("reading", *READING_FIELDS, ("battery", "float"), battery=1.0)
    narrower = record("reading", *READING_FIELDS[:2])
    assert check(wider, READING, level="FULL") == []
    assert check(narrower, READING) == []
    forward = "Readers of the earlier schema: Field temperature is new and has no default, so earlier records cannot be read: give it a default."
    assert check(narrower, READING, level="FORWARD") == [forward]
    assert check(narrower, READING, level="FULL") == [forward]
    assert check('"int"', READING, level="NONE") == []
    assert violations(Schema("{}", "JSON"), Schema(READING), "BACKWARD", nothing) == [
        "The schema is of type JSON, the earlier one of type AVRO: register it under another subject."]


@pytest.mark.parametrize(("new", "old", "problem"), [
    ({"type": "enum", "name": "e", "symbols": ["A"]}, {"type": "enum", "name": "e", "symbols": ["A", "B"]},
     "the schema lost the symbol B: keep them, or give the enum a default."),
    ({"type": "enum", "name": "e", "symbols": ["A"], "default": "A"}, {"type": "enum", "name": "e", "symbols": ["A", "B"]}, None),
    ({"type": "array", "items": "int"}, {"type": "array", "items": "long"},
     "an item of the schema changed from long to int: keep its type, or add a new field instead."),
    ({"type": "fixed", "name": "f", "size": 4}, {"type": "fixed", "name": "f", "size": 5},
     "the schema changed from fixed f of 5 bytes to fixed f of 4 bytes: keep its name and size."),
    ("string", ["null", "string"], "the schema may hold null, which string cannot read: add that type to the union."),
    (["null", "string"], "string", None), ("bytes", "string", None), ("float", "long", None),
    ("long", "float", "the schema changed from float to long: keep its type, or add a new field instead."),
    ({"type": "record", "name": "b", "fields": []}, {"type": "record", "name": "a", "fields": []},
     "the schema changed its name from a to b: keep the name, or give the old one as an alias."),
    ({"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 1}, {"type": "bytes", "logicalType": "decimal", "precision": 4, "scale": 2},
     "the schema changed its scale from 2 to 1: keep the scale."),
])
def test_avro_types(new: Any, old: Any, problem: str | None) -> None:
    assert check(json.dumps(new), json.dumps(old)) == ([problem] if problem else [])


def test_a_record_that_contains_itself() -> None:
    tree = record("tree", ("left", ["null", "tree"]), ("value", "int"))
    assert check(tree, tree) == []
    assert check(tree.replace('"int"', '"string"'), tree) == ["field value changed from int to string: keep its type, or add a new field instead."]


def closed(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


@pytest.mark.parametrize(("new", "old", "problem"), [
    (closed(a={"type": "number"}), closed(a={"type": "integer"}), None),
    (closed(a={"type": "integer"}), closed(a={"type": "number"}), "property a changed from number to integer: keep its type, or allow both."),
    (closed(a={}, b={"type": "string"}), closed(a={}), None),
    (closed(), closed(a={"type": "string"}), "Property a is gone, and other properties are not allowed: keep it, or allow others."),
    (closed(a={}) | {"required": ["a"]}, closed(a={}), "Property a is required now, but was not: give it a default, or do not require it."),
    ({"type": "object", "properties": {"a": {"type": "string"}}}, {"type": "object"},
     "Property a is new, but the earlier schema let anything through under that name: allow any type, or close the earlier schema "
     "(additionalProperties false)."),
    ({"type": "string", "maxLength": 3}, {"type": "string", "maxLength": 5}, "the value has maxLength 3 now, and had 5: do not lower it."),
    ({"type": "integer", "minimum": 1}, {"type": "integer"}, "the value has minimum 1 now, and had none: do not raise it."),
    ({"enum": ["a"]}, {"enum": ["a", "b"]}, 'the value may no longer be "b": keep what was allowed.'),
    ({"oneOf": [{"type": "null"}, {"type": "string"}]}, {"type": "string"}, None),
    ({"oneOf": [{"type": "null"}, {"type": "string"}]}, {"oneOf": [{"type": "null"}, {"type": "integer"}]},
     "the value may be integer, which none of its types allows now: add that type."),
    ({"type": "array", "items": {"type": "string"}}, {"type": "array", "items": {"type": "integer"}},
     "an item of the value changed from integer to string: keep its type, or allow both."),
    (closed(r={"$ref": "#/d/r"}) | {"d": {"r": {"type": "string"}}}, closed(r={"type": "string"}), None),
])
def test_json_schemas(new: Any, old: Any, problem: str | None) -> None:
    assert check(json.dumps(new), json.dumps(old), "JSON") == ([problem] if problem else [])


def proto(body: str) -> str:
    return f'syntax = "proto3"; message M {{{body}}} message N {{int32 x = 1;}}'


@pytest.mark.parametrize(("new", "old", "problem"), [
    ("int32 a = 1; string b = 2;", "int32 a = 1;", None), ("", "int32 a = 1;", None), ("int64 renamed = 1;", "int32 a = 1;", None),
    ("string a = 1;", "int32 a = 1;", "Field a (1) of M changed from int32 to string: keep its type, or add a new field."),
    ("sint32 a = 1;", "int32 a = 1;", "Field a (1) of M changed from int32 to sint32: keep its type, or add a new field."),
    ("repeated int32 a = 1;", "int32 a = 1;", "Field a (1) of M changed to repeated: add a new field instead."),
    ("N a = 1;", "int32 a = 1;", "Field a (1) of M changed from int32 to N: keep its type, or add a new field."),
    ("map<string, int32> a = 1;", "int32 a = 1;", "Field a (1) of M changed between a map and another type: add a new field instead."),
    ("oneof o {int32 a = 1; int32 b = 2;}", "int32 a = 1; int32 b = 2;", "The fields a, b of M moved into the oneof o: leave them outside."),
    ("oneof o {int32 a = 1;}", "oneof o {int32 a = 1; int32 b = 2;}", "Field b left the oneof o of M: keep it there."),
    ("message I {string v = 1;} I i = 1;", "message I {int32 v = 1;} I i = 1;",
     "Field v (1) of M.I changed from int32 to string: keep its type, or add a new field."),
])
def test_protobuf(new: str, old: str, problem: str | None) -> None:
    assert check(proto(new), proto(old), "PROTOBUF") == ([problem] if problem else [])


def test_a_protobuf_message_that_is_gone() -> None:
    assert check('syntax = "proto3"; message M {}', proto(""), "PROTOBUF") == ["Message N is gone: keep it."]
