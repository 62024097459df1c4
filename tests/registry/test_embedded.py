"""The embedded registry: ids, versions, levels, modes, deleting, references, and that all of it is in the store."""

from __future__ import annotations

import re

import pytest
from tests.registry.seeds import MAPPING, PLANT, PLANT_FIELDS, READING, READING_FIELDS, record

from penstock.errors import SchemaError
from penstock.registry.embedded import EmbeddedRegistry
from penstock.registry.model import Reference, Registered, Schema
from penstock.registry.store import MemoryStore


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def registry(store: MemoryStore) -> EmbeddedRegistry:
    return EmbeddedRegistry(store)


def test_ids_are_global_and_versions_a_subjects(registry: EmbeddedRegistry) -> None:
    assert registry.register("readings-value", Schema(READING)) == 1
    assert registry.register("houseplants-value", Schema(PLANT)) == 2
    assert registry.register("mapping-value", Schema(MAPPING)) == 3
    assert registry.register("copy-value", Schema(READING.replace(",", " ,  "))) == 1
    assert registry.register("readings-value", Schema(READING)) == 1
    assert registry.versions("readings-value") == [1]
    assert registry.subjects() == ["copy-value", "houseplants-value", "mapping-value", "readings-value"]
    assert registry.subjects(prefix="r") == ["readings-value"]
    assert [(r.subject, r.version) for r in registry.versions_of_id(1)] == [("copy-value", 1), ("readings-value", 1)]
    assert registry.by_id(2) == Schema(PLANT)
    assert registry.latest("readings-value") == registry.version("readings-value", -1) == Registered("readings-value", 1, 1, Schema(READING))
    assert registry.lookup("readings-value", Schema(PLANT)) is None
    assert registry.latest("nothing") is None


def test_a_field_with_a_default_is_let_in_and_one_without_is_not(registry: EmbeddedRegistry) -> None:
    registry.register("readings-value", Schema(READING))
    wider = record("reading", *READING_FIELDS, ("battery", "float"), battery=100.0)
    assert registry.register("readings-value", Schema(wider)) == 2
    bad = Schema(record("reading", *READING_FIELDS, ("battery", "float"), ("light", "int"), battery=100.0))
    with pytest.raises(SchemaError) as refusal:
        registry.register("readings-value", bad)
    assert str(refusal.value) == (
        "The schema is not BACKWARD compatible with the earlier ones of subject readings-value: Field light is new and has no default, so earlier "
        "records cannot be read: give it a default. Change it so, register it under another subject, or set the subject's compatibility level.")
    assert registry.check("readings-value", bad) == ["Field light is new and has no default, so earlier records cannot be read: give it a default."]
    registry.set_compatibility("NONE", "readings-value")
    assert registry.register("readings-value", bad) == 3


def test_transitive_levels_ask_all_versions(registry: EmbeddedRegistry) -> None:
    registry.register("s", Schema(record("houseplant", *PLANT_FIELDS[:2])))
    registry.register("s", Schema(record("houseplant", *PLANT_FIELDS[:1])))
    back = Schema(record("houseplant", ("plant_id", "int"), ("scientific_name", "int"), scientific_name=0))
    assert registry.check("s", back) == []
    registry.set_compatibility("BACKWARD_TRANSITIVE")
    assert registry.check("s", back) == ["field scientific_name changed from string to int: keep its type, or add a new field instead. (version 1)"]
    assert registry.check("s", back, version=2) == []


def test_levels_and_modes(registry: EmbeddedRegistry) -> None:
    assert (registry.compatibility(), registry.compatibility("s"), registry.mode()) == ("BACKWARD", "BACKWARD", "READWRITE")
    registry.set_compatibility("FULL")
    registry.set_compatibility("NONE", "s")
    assert (registry.compatibility(), registry.compatibility("s"), registry.compatibility("t")) == ("FULL", "NONE", "FULL")
    registry.set_compatibility(None, "s")
    assert registry.compatibility("s") == "FULL"
    registry.set_mode("READONLY", "s")
    with pytest.raises(SchemaError, match="Subject s is in READONLY mode"):
        registry.register("s", Schema('"int"'))
    registry.set_mode(None, "s")
    assert registry.register("s", Schema('"int"')) == 1
    with pytest.raises(SchemaError, match="There is no compatibility level SOME"):
        registry.set_compatibility("SOME")  # type: ignore[arg-type]


def test_deleting_is_soft_and_then_for_good(registry: EmbeddedRegistry) -> None:
    registry.set_compatibility("NONE")
    registry.register("s", Schema('"int"'))
    registry.register("s", Schema('"string"'))
    with pytest.raises(SchemaError, match="was not deleted first"):
        registry.delete_version("s", 1, permanent=True)
    assert registry.delete_version("s", 1) == 1
    assert registry.versions("s") == [2]
    assert registry.versions("s", deleted=True) == [1, 2]
    assert registry.by_id(1) == Schema('"int"')
    assert registry.delete_version("s", 1, permanent=True) == 1
    with pytest.raises(SchemaError, match="Schema id 1 is unknown"):
        registry.by_id(1)
    assert registry.delete_subject("s") == [2]
    with pytest.raises(SchemaError, match="Subject s is unknown"):
        registry.versions("s")
    assert registry.register("s", Schema('"string"')) == 2
    assert registry.versions("s") == [3]


def test_references_are_kept_and_guarded(registry: EmbeddedRegistry) -> None:
    registry.register("part", Schema('{"type":"record","name":"Part","namespace":"a","fields":[{"name":"x","type":"int"}]}'))
    whole = Schema('{"type":"record","name":"W","fields":[{"name":"p","type":"a.Part"}]}', references=(Reference("a.Part", "part", 1),))
    assert registry.register("whole", whole) == 2
    with pytest.raises(SchemaError, match="is referred to by version 1 of whole"):
        registry.delete_subject("part")
    with pytest.raises(SchemaError, match=r"the type a\.Part is unknown"):
        registry.register("other", Schema(whole.text))


@pytest.mark.parametrize(("schema", "reason"), [
    (Schema("{"), "Not an Avro schema"), (Schema('{"type":"record","name":"r"}'), "Not an Avro schema: 'fields' is missing"),
    (Schema(record("r", ("a", "int"), a="x")), "Default value <x> must match schema type: int"),
    (Schema("[", "JSON"), "Not a JSON schema"), (Schema("5", "JSON"), "Not a JSON schema"),
    (Schema('{"type":"record","name":"r","fields":[{"name":1.5,"type":"int"}]}'), "the name of a field must be a string, but is 1.5"),
    (Schema('{"properties":[""]}', "JSON"), "Not a JSON schema: properties of the schema must be an object."),
    (Schema('{"properties":{"a":{"$ref":[]}}}', "JSON"), "Not a JSON schema: $ref of a in properties of the schema must be a string."),
    (Schema('{"items":{"anyOf":null}}', "JSON"), "Not a JSON schema: anyOf of items of the schema must be a list."),
    (Schema('{"oneOf":[5]}', "JSON"), "Not a JSON schema: 0 in oneOf of the schema must be an object, true or false."),
    (Schema("message A { enum", "PROTOBUF"), "Not a .proto file: line 1: the text ends too early"),
    (Schema("message A {int32 a = 1}", "PROTOBUF"), "Not a .proto file: line 1: ; is expected, not }"),
    (Schema('syntax = "proto3"; message A {B b = 1;}', "PROTOBUF"), "field b of A is of the unknown type B"),
    (Schema('import "x.proto";', "PROTOBUF"), "it imports x.proto, which is not among its references"),
])
def test_malformed_schemas_are_refused(registry: EmbeddedRegistry, schema: Schema, reason: str) -> None:
    with pytest.raises(SchemaError, match=re.escape(reason)):
        registry.register("s", schema)


def test_imports_choose_ids(registry: EmbeddedRegistry) -> None:
    assert registry.register("s", Schema('"int"'), id=102, version=7) == 102
    assert registry.version("s", 7).id == 102
    assert registry.register("t", Schema('"string"')) == 103
    with pytest.raises(SchemaError, match="Schema id 102 belongs to another schema"):
        registry.register("u", Schema('"long"'), id=102)


def test_everything_is_in_the_store(registry: EmbeddedRegistry, store: MemoryStore) -> None:
    registry.register("s", Schema(READING))
    registry.set_compatibility("FULL", "s")
    registry.set_mode("READONLY")
    again = EmbeddedRegistry(store)
    assert again.by_id(1) == Schema(READING)
    assert (again.compatibility("s"), again.mode()) == ("FULL", "READONLY")
    again.set_mode(None)
    assert registry.mode() == "READWRITE"  # what one writes, the other sees
