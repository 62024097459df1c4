"""INSERT INTO ... VALUES: the record's time, and rows that delete."""

from __future__ import annotations

import pytest

from penstock.errors import DataError
from penstock.testing import Driver


def test_a_rowtime_is_given_in_ms_or_as_text_and_not_before_1970() -> None:
    with Driver() as driver:
        driver.execute("CREATE STREAM S (ID INT KEY, V INT) WITH (KAFKA_TOPIC='s', VALUE_FORMAT='JSON');")
        driver.execute("INSERT INTO S (ROWTIME, ID) VALUES (1234, 1);")
        driver.execute("INSERT INTO S (ROWTIME, ID) VALUES ('2020-01-01T00:00:00', 1);")
        with pytest.raises(DataError, match="before 1970"):
            driver.execute("INSERT INTO S (ROWTIME, ID) VALUES (-1, 1);")
        assert [r.timestamp for r in driver.read("s")] == [1234, 1577836800000]


def test_a_table_row_without_a_value_stays_and_only_a_row_from_python_deletes() -> None:
    with Driver() as driver:
        driver.execute("CREATE TABLE T (ID INT PRIMARY KEY, V INT) WITH (KAFKA_TOPIC='t', VALUE_FORMAT='JSON');")
        driver.execute("INSERT INTO T (ID, V) VALUES (1, 2);")
        driver.execute("INSERT INTO T (ID) VALUES (1);")
        assert driver.query("SELECT * FROM T;").result().rows == [[1, None]]
        driver.database.insert("T", [{"id": 1}])
        assert [r.value for r in driver.read("t")] == [{"V": 2}, {"V": None}, None]
        assert driver.query("SELECT * FROM T;").result().rows == []
