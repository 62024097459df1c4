"""The datagen source: what it makes is as the schema says, the same for the same seed, and goes on where it was."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime
from datetime import time as time_of_day
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

import penstock
from penstock.connect.datagen.generator import Generator
from penstock.connect.datagen.quickstarts import QUICKSTARTS
from penstock.connect.datagen.regex import compiled
from penstock.connect.folders import Folders
from penstock.errors import ConfigError

NOW = 1_625_055_519_446


def generator(*fields: dict[str, Any], seed: int = 1) -> Generator:
    return Generator({"type": "record", "name": "r", "fields": list(fields)}, "schema.string", seed)


def values(type_: Any, count: int = 300, **arguments: Any) -> list[Any]:
    spec = {"type": type_, "arg.properties": arguments} if isinstance(type_, str) else {**type_, "arg.properties": arguments}
    made = generator({"name": "f", "type": spec})
    return [made.record(n, NOW)["f"] for n in range(count)]


def test_ranges_and_choices() -> None:
    assert set(values("int", range={"min": 3, "max": 6})) == {3, 4, 5}
    assert set(values("string", options=["a", "b"])) == {"a", "b"}
    assert all(0.5 <= v < 2 for v in values("double", range={"min": 0.5, "max": 2}))
    assert all(-(2**31) <= v < 2**31 for v in values("int"))
    assert {type(v) for v in values("float", options=[1, 2])} == {float}
    assert 200 < sum(values("boolean", odds=0.9)) < 300
    assert set(values({"type": "enum", "name": "e", "symbols": ["X", "Y"]})) == {"X", "Y"}
    assert {len(v) for v in values({"type": "fixed", "name": "x", "size": 3})} == {3}


def test_texts_bytes_lists_and_maps() -> None:
    assert all(re.fullmatch(r"a[a-z]{4}z", v) for v in values("string", length=4, prefix="a", suffix="z"))
    assert all(re.fullmatch(r"id-[0-9]{3}[A-F]", v) for v in values("string", regex="[0-9]{3}[A-F]", prefix="id-"))
    assert {len(v) for v in values("bytes", length={"min": 1, "max": 3})} == {1, 2}
    lists = values({"type": "array", "items": {"type": "int", "arg.properties": {"range": {"min": 0, "max": 9}}}}, length={"min": 0, "max": 3})
    assert {len(v) for v in lists} == {0, 1, 2}
    assert all(0 <= n < 9 for v in lists for n in v)
    maps = values({"type": "map", "values": "boolean"}, length=2, keys={"options": ["a", "b"]})
    assert {key for v in maps for key in v} == {"a", "b"}


def test_iterations() -> None:
    assert values("int", 5, iteration={"start": 1}) == [1, 2, 3, 4, 5]
    assert values("int", 7, iteration={"start": 0, "restart": 5, "step": 2}) == [0, 2, 4, 0, 2, 4, 0]
    assert values("int", 5, iteration={"start": 0, "restart": 3, "initial": 2}) == [2, 0, 1, 2, 0]
    assert values("int", 5, iteration={"start": 5, "restart": 2}) == [5, 4, 3, 5, 4]
    assert values("double", 2, iteration={"start": 0.5, "step": 0.25}) == [0.5, 0.75]


def test_values_of_a_kind_and_truth_that_alternates() -> None:
    form = r"id-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
    assert all(re.fullmatch(form, v) for v in values("string", kind="uuid", prefix="id-"))
    assert len(set(values("string", kind="uuid"))) == 300
    assert all(re.fullmatch(r"[A-Z]\w+ [A-Z]\w+", v) for v in values("string", kind="name"))
    assert all(re.fullmatch(r"[a-z]+\.[a-z]+[0-9]+@example\.com", v) for v in values("string", kind="email"))
    assert values("boolean", 4, iteration={"start": False}) == [False, True, False, True]


def test_which_type_of_a_union() -> None:
    def counts(**arguments: Any) -> Counter[type]:
        made = generator({"name": "f", "type": ["null", "int", "null"], "arg.properties": arguments})
        return Counter(type(made.record(n, NOW)["f"]) for n in range(1000))

    assert counts(position=1) == {int: 1000}
    assert 700 < counts(distribution={"0": 0.05, "1": 0.75, "2": 0.2})[int] < 800
    assert counts(distribution={"1": 1}) == {int: 1000}
    for wrong in ({"position": 3}, {"distribution": {"0": 0.5}}, {"distribution": {"0": 0.5, "7": 0.5}}, {"distribution": [1]}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            counts(**wrong)


def test_values_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "nouns.json").write_text('["cat", "dog"]')
    schema = {"type": "record", "name": "r", "fields": [{"name": "f", "type": {"type": "string", "arg.properties": {}}}]}

    def made(file: str, encoding: str = "json") -> set[Any]:
        schema["fields"][0]["type"]["arg.properties"] = {"options": {"file": file, "encoding": encoding}}  # type: ignore[index]
        found = Generator(schema, "schema.string", 1, Folders([tmp_path]))
        return {found.record(n, NOW)["f"] for n in range(50)}

    assert made(str(tmp_path / "nouns.json")) == {"cat", "dog"}
    for file, encoding, complaint in (("/etc/passwd", "json", "outside the folders"), (f"{tmp_path}/none", "json", "cannot be read")):
        with pytest.raises(ConfigError, match=complaint):
            made(file, encoding)
    with pytest.raises(ConfigError, match="not json"):
        made(str(tmp_path / "nouns.json"), "binary")


def test_unions_nested_records_and_names() -> None:
    made = generator(
        {"name": "a", "type": ["null", "int"]},
        {"name": "b", "type": {"type": "record", "name": "inner", "fields": [{"name": "x", "type": "int"}]}},
        {"name": "c", "type": "inner"},
        {"name": "d", "type": {"type": "int"}, "doc": "x"},
    )
    records = [made.record(n, NOW) for n in range(50)]
    assert {type(r["a"]) for r in records} == {int, type(None)}
    assert all(r["b"].keys() == r["c"].keys() == {"x"} for r in records)


def test_dates_and_times() -> None:
    def logical(base: str, name: str, **arguments: Any) -> Any:
        return values({"type": base, "logicalType": name}, 1, **arguments)[0]

    assert logical("int", "date", options=[18808]) == date(2021, 6, 30)
    assert logical("long", "timestamp-millis", now=True) == datetime(2021, 6, 30, 12, 18, 39, 446000)
    assert logical("long", "timestamp-micros", now=True) == datetime(2021, 6, 30, 12, 18, 39, 446000)
    assert logical("int", "time-millis", options=[1000]) == time_of_day(0, 0, 1)
    assert logical("long", "time-micros", options=[1_000_000]) == time_of_day(0, 0, 1)
    prices = values({"type": "bytes", "logicalType": "decimal", "precision": 5, "scale": 2}, range={"min": 1, "max": 2})
    assert all(1 <= p <= 2 and p == round(p, 2) and isinstance(p, Decimal) for p in prices)
    assert values("long", 1, now=True) == [NOW]


def test_a_record_follows_from_seed_and_number_alone() -> None:
    fields = {"name": "f", "type": "string"}, {"name": "n", "type": "long"}
    one, two, other = generator(*fields), generator(*fields), generator(*fields, seed=2)
    forward = [one.record(n, NOW) for n in range(20)]
    assert [two.record(n, NOW) for n in reversed(range(20))] == forward[::-1]
    assert [other.record(n, NOW) for n in range(20)] != forward


@pytest.mark.parametrize(
    "pattern",
    [
        "abc", "a|bc|", "[a-cX]{2,4}", "(ab|[0-9])+x*", "\\d{3}-\\w?\\s\\.", "a{2}b{1,}", "(?:x|y)z", "[^a-z]", ".", "^User_[1-9]\\d{0,1}$",
        "[]a]", "[a\\-]", "a+?",
    ],
)  # fmt: skip
def test_texts_of_regular_expressions(pattern: str) -> None:
    write, numbers = compiled(pattern), random.Random(5)
    assert all(re.fullmatch(pattern, text) for text in (write(numbers) for _ in range(200)))


@pytest.mark.parametrize("pattern", ["(", "(?=a)", "\\b", "(?<n>a)", "[z-a]"])
def test_regular_expressions_that_cannot_be_written(pattern: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        compiled(pattern)


@pytest.mark.parametrize(
    ("type_", "arguments", "complaint"),
    [
        ("int", {"range": {"min": 5, "max": 5}}, "the field f: 'range' goes from 5 to 5"),
        ("int", {"range": 5}, "'range' is no object"),
        ("int", {"options": []}, "'options' is no list"),
        ("int", {"iteration": {}}, "'iteration' needs 'start'"),
        ("int", {"iteration": {"start": 1, "restart": 5, "step": -1}}, "'iteration' goes from 1 to 5 by -1"),
        ("string", {"regex": "("}, "is no regular expression"),
        ({"type": "array", "items": {"type": "int", "arg.properties": {"iteration": {"start": 1}}}}, {}, "cannot stand in a list"),
    ],
)
def test_schemas_that_nothing_can_be_made_of(type_: Any, arguments: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(complaint)):
        values(type_, 1, **arguments)


@pytest.mark.parametrize("name", list(QUICKSTARTS))
def test_quickstarts(name: str) -> None:
    quickstart = QUICKSTARTS[name]
    made = Generator(quickstart.schema, "quickstart", 3)
    record = made.record(0, NOW)
    assert quickstart.key in record
    assert list(record) == [field.name for field in made.schema.fields]


# ---------------------------------------------------------------------------------------------- the connector


@pytest.fixture
def db() -> Iterator[penstock.Database]:
    with penstock.connect(":memory:") as opened:
        yield opened


def stored(db: penstock.Database, topic: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = db.log.read(topic, 0, 0).to_pylist()
    return found


def test_ratings_as_a_stream(db: penstock.Database) -> None:
    options = {"kafka.topic": "ratings", "quickstart": "ratings", "max.interval": 0, "iterations": 500, "time.start": NOW}
    db.create_connector("ratings", {"connector.class": "io.confluent.kafka.connect.datagen.DatagenConnector", **options})
    assert db.connectors.wait_idle(30)
    db.execute("CREATE STREAM ratings WITH (kafka_topic = 'ratings', value_format = 'AVRO');")
    rows = db.execute("SELECT rating_id, user_id, stars, channel, rating_time FROM ratings;")[0].rows
    assert [row[0] for row in rows] == list(range(1, 501))
    assert {row[2] for row in rows} == {1, 2, 3, 4, 5}
    assert {row[1] for row in rows} == set(range(1, 21))
    assert {row[4] for row in rows} == {NOW}
    assert [row["key"] for row in stored(db, "ratings")[:2]] == [b"1", b"2"]
    assert db.connectors.positions("ratings") == {"datagen": {"generated": 500}}


def test_a_rate_is_kept(db: penstock.Database) -> None:
    began = time.monotonic()
    options = {"connector.class": "DatagenSource", "topic": "t", "quickstart": "users", "rate": 200, "iterations": 60, "time.start": 0}
    db.create_connector("d", options)
    while db.connectors.positions("d").get("datagen", {}).get("generated", 0) < 60:
        time.sleep(0.01)
        assert time.monotonic() - began < 30
    assert time.monotonic() - began >= 59 / 200
    assert [row["timestamp"] for row in stored(db, "t")[:3]] == [0, 5, 10]


def test_a_schema_of_ones_own(db: penstock.Database, tmp_path: Path) -> None:
    schema = {"type": "record", "name": "x", "fields": [{"name": "id", "type": {"type": "int", "arg.properties": {"iteration": {"start": 7}}}}]}
    (tmp_path / "x.avsc").write_text(json.dumps(schema))
    options = {"connector.class": "DatagenSource", "max.interval": 1, "iterations": 2, "value.converter": "JsonConverter"}
    options |= {"value.converter.schemas.enable": False}
    db.create_connector("text", options | {"topic": "text", "schema.string": json.dumps(schema)})
    with db.script(tmp_path / "x.sql"):
        db.create_connector("file", options | {"topic": "file", "schema.filename": "x.avsc", "schema.keyfield": "id"})
    for topic, key in (("text", None), ("file", b"7")):
        while db.log.topic(topic) is None or len(stored(db, topic)) < 2:
            time.sleep(0.01)
        assert [row["value"] for row in stored(db, topic)] == [b'{"id":7}', b'{"id":8}']
        assert stored(db, topic)[0]["key"] == key


def test_at_rest_between_two_records_it_costs_nothing(db: penstock.Database) -> None:
    db.create_connector("d", {"connector.class": "DatagenSource", "topic": "t", "quickstart": "users", "iterations": 1, "max.interval": 0})
    assert db.connectors.wait_idle(20)
    cpu_s, began = time.process_time(), time.monotonic()
    time.sleep(1)
    assert (time.process_time() - cpu_s) / (time.monotonic() - began) < 0.005


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({}, "The connector has no schema. Give one of"),
        ({"quickstart": "users", "schema.string": "{}"}, "has quickstart and schema.string"),
        ({"quickstart": "stocks"}, "'quickstart' cannot be 'stocks'. It is one of: ratings"),
        ({"schema.string": "{"}, "'schema.string' is not JSON"),
        ({"schema.string": "[]"}, "'schema.string' is no schema of a record"),
        ({"schema.string": '{"type": "int"}'}, "'schema.string' is no schema of a record"),
        ({"schema.filename": "/etc/passwd"}, "outside the folders"),
        ({"quickstart": "users", "schema.keyfield": "nope"}, "which is no field of the schema. It has: registertime"),
        ({"quickstart": "users", "max.interval": "-1"}, "at least 0"),
    ],
)
def test_mistakes(options: dict[str, str], complaint: str, db: penstock.Database, tmp_path: Path) -> None:
    with pytest.raises(penstock.Error, match=re.escape(complaint)):
        db.create_connector("d", {"connector.class": "DatagenSource", "topic": "t", **options})
    with db.script(tmp_path / "x.sql"), pytest.raises(penstock.Error, match="cannot be read"):
        db.create_connector("d", {"connector.class": "DatagenSource", "topic": "t", "schema.filename": "none"})


def test_killed_in_the_middle_it_goes_on_with_the_next(tmp_path: Path) -> None:
    (tmp_path / "run.sql").write_text("""
        CREATE SOURCE CONNECTOR IF NOT EXISTS d WITH ('connector.class' = 'DatagenSource', 'topic' = 't', 'quickstart' = 'orders', 'rate' = '2000',
          'time.start' = '0', 'iterations' = '1500');""")
    command = [sys.executable, "-m", "penstock.cli.main", "run", "run.sql", "--data", "db"]
    numbers = random.Random(3)
    for _ in range(2):
        with subprocess.Popen(command, cwd=tmp_path, env=os.environ, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            while b"Ctrl-C" not in process.stdout.readline():
                pass
            time.sleep(numbers.uniform(0.05, 0.4))  # the moment of the kill is what is random here
            process.send_signal(signal.SIGKILL)
    with penstock.connect(tmp_path / "db") as db:
        while db.connectors.positions("D")["datagen"]["generated"] < 1500:
            time.sleep(0.01)
        made = Generator(QUICKSTARTS["orders"].schema, "quickstart", 0)
        db.execute("CREATE STREAM orders WITH (kafka_topic = 't', value_format = 'AVRO');")
        rows = db.execute("SELECT orderid, itemid FROM orders;")[0].rows
        wanted = [(r["orderid"], r["itemid"]) for r in (made.record(n, 0) for n in range(1500))]
        assert rows == wanted
