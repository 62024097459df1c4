"""`penstock test`: files of tests in SQL."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Call

TESTS = """-- what stands above the first test belongs to none
--@test: clicks are counted
CREATE STREAM clicks (who STRING KEY, page STRING) WITH (kafka_topic='clicks', value_format='JSON');
CREATE TABLE counts AS SELECT who, COUNT(*) AS n FROM clicks GROUP BY who;
INSERT INTO clicks (rowtime, who, page) VALUES (1, 'Ann', 'a');
INSERT INTO clicks (rowtime, who, page) VALUES (2, 'Ann', 'b');
ASSERT VALUES counts (rowtime, who, n) VALUES (1, 'Ann', 1);
ASSERT VALUES counts (rowtime, who, n) VALUES (2, 'Ann', 2);

-- @test:   what may not be replaced
--@expected.error: some.Exception
--@expected.message: The following columns are changed, missing or reordered: [`B` INTEGER]
CREATE STREAM s (a INT, b INT) WITH (kafka_topic='s', value_format='JSON');
CREATE STREAM o AS SELECT a, b FROM s;
CREATE OR REPLACE STREAM o AS SELECT a FROM s;
"""


def test_tests_that_pass(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "clicks.sql"
    file.write_text(TESTS)
    assert call("test", str(file)) == (0, f"passed  {file}: clicks are counted\npassed  {file}: what may not be replaced\n2 tests, 0 failed\n", "")


def test_tests_that_fail_say_where_and_why(call: Call, tmp_path: Path) -> None:
    file = tmp_path / "below" / "wrong.sql"
    file.parent.mkdir()
    file.write_text(
        TESTS.replace("(2, 'Ann', 2)", "(2, 'Ann', 3)").replace("columns are changed", "columns are blue")
        + "--@test: an error that does not come\n--@expected.error: any\nCREATE TYPE t AS INT;\n"
    )
    ended = call("test", str(tmp_path))
    assert ended.code == 1
    assert ended.out.splitlines() == [
        f"failed  {file}: clicks are counted",
        "        Line 8:1: The next record of COUNTS (partition 0, offset 1) is not as asserted: N is 2, not 3.",
        f"failed  {file}: what may not be replaced",
        "        The error is not as expected, 'The following columns are blue, missing or reordered: [`B` INTEGER]': "
        "Cannot add stream 'O': The following columns are changed, missing or reordered: [`B` INTEGER]. Drop it, and create it anew.",
        f"failed  {file}: an error that does not come",
        "        No statement failed, but an error is expected.",
        "3 tests, 3 failed",
    ]


def test_a_folder_without_tests(call: Call, tmp_path: Path) -> None:
    (tmp_path / "pipeline.sql").write_text("CREATE TYPE t AS INT;")
    ended = call("test", str(tmp_path))
    assert (ended.code, ended.err) == (1, f"There is no test in {tmp_path}. A test begins with a line: --@test: NAME\n")
