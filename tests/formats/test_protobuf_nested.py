"""ARRAYs and MAPs within ARRAYs and MAPs, which Protobuf has not: each lies in a message of its own, and comes out of it again."""

from __future__ import annotations

from typing import Any

import pytest

from penstock.testing import Driver


@pytest.mark.parametrize("name", ["PROTOBUF", "PROTOBUF_NOSR"])
@pytest.mark.parametrize(
    ("type_", "value"),
    [
        ("MAP<STRING, ARRAY<BIGINT>>", {"a": [1, 2], "b": []}),
        ("ARRAY<ARRAY<INT>>", [[1, 2], [], [3]]),
        ("ARRAY<MAP<STRING, INT>>", [{"a": 1}, {}]),
        ("MAP<STRING, MAP<STRING, ARRAY<STRING>>>", {"a": {"value": ["x"]}, "b": {}}),
        ("STRUCT<f MAP<STRING, ARRAY<INT>>>", {"F": {"value": [1]}}),
        ("ARRAY<STRUCT<f ARRAY<ARRAY<INT>>>>", [{"F": [[1], [2]]}]),
        ("MAP<STRING, STRUCT<`value` INT>>", {"a": {"value": 1}}),
        ("ARRAY<STRUCT<`value` ARRAY<INT>>>", [{"value": [1, 2]}]),
    ],
)
def test_there_and_back(name: str, type_: str, value: Any) -> None:
    with Driver() as driver:
        driver.execute(f"CREATE STREAM I (K STRING KEY, V {type_}) WITH (KAFKA_TOPIC='i', VALUE_FORMAT='{name}', PARTITIONS=1);")
        driver.execute("CREATE STREAM O AS SELECT * FROM I;")
        driver.database.insert("I", [{"K": "k", "V": value}])
        driver.run()
        assert driver.query("SELECT V FROM O;").result().rows == [[value]]
        assert driver.query("SELECT reason FROM PROCESSING_LOG;").result().rows == []
