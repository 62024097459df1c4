"""The reading of .proto files, and the one text that is written for all spellings."""

from __future__ import annotations

import pytest

from penstock.errors import SchemaError
from penstock.registry.proto_file import ProtoField, format_file, parse_file

TEXT = """
// a comment
syntax = 'proto3';
package acme.plants; /* another
   comment */
import public "google/protobuf/timestamp.proto";
option java_package = "com.acme";
message Plant {
  option deprecated = true;
  reserved 4, 9 to 11; reserved "old";
  enum Kind { option allow_alias = true; FERN = 0; CROTON = 1 [deprecated = true]; reserved 7; }
  message Pot { int32 size = 1; };
  optional string name = 1 [json_name = "n", (acme.meta) = { tags: ["a", "b"] size: -1 }];
  repeated Pot pots = 2;
  map<string, .acme.plants.Plant> friends = 3;
  oneof place { string room = 5; google.protobuf.Timestamp moved = 0x6; }
  Kind kind = 7;
}
service Care { rpc Water (Plant) returns (Plant) { option idempotency_level = IDEMPOTENT; } }
extend google.protobuf.FieldOptions { string meta = 50000; }
"""


def test_a_file_is_read() -> None:
    file = parse_file(TEXT)
    assert (file.syntax, file.package, file.imports) == ("proto3", "acme.plants", ("google/protobuf/timestamp.proto",))
    plant = file.messages[0]
    assert plant.fields[0] == ProtoField("name", 1, "string", "optional", options=(
        ("(acme.meta)", '{ tags : [ "a" , "b" ] size : -1 }'), ("json_name", '"n"')))
    assert plant.fields[2] == ProtoField("friends", 3, ".acme.plants.Plant", key="string")
    assert [(f.name, f.number) for f in plant.fields if f.oneof == "place"] == [("room", 5), ("moved", 6)]
    assert plant.reserved == ("4", "9 to 11", '"old"')
    assert plant.enums[0].values == (("FERN", 0), ("CROTON", 1))


def test_the_canonical_text_is_stable() -> None:
    text = format_file(parse_file(TEXT))
    assert format_file(parse_file(text)) == text
    assert "message Plant {\n  option deprecated = true;\n  reserved 4, 9 to 11, \"old\";\n  optional string name = 1" in text


@pytest.mark.parametrize(("text", "reason"), [
    ("message A {\n int32 a = x; }", "line 2: a whole number is expected, not x"), ("message A {", "the text ends too early"),
    ("syntax = \"proto4\";", "the syntax proto4 is not known"), ("massage A {}", "line 1: massage has no place there"),
    ("message A { int32 a = 1; int32 b = 1; }", "message A has the field number 1 twice"), ("message A { ~ }", "'~' has no place there"),
    ("message 1A {}", "a name is expected, not 1A"),
])
def test_a_malformed_file_says_where(text: str, reason: str) -> None:
    with pytest.raises(SchemaError, match=reason):
        parse_file(text)
