"""The shell's own words, SPOOL, and what the commands take beside statements."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from tests.cli.conftest import Call

TIME = "1970-01-01T02:00:00.000Z"
STREAM = "CREATE STREAM ${name} (n INT) WITH (kafka_topic='${name}', value_format='JSON', partitions=1);\n"


def piped(call: Call, monkeypatch: pytest.MonkeyPatch, text: str, *arguments: str) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    return call("shell", "--data", ":memory:", *arguments)


def test_words_of_the_shell(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "SHOW VARIABLES;\noutput JSON\nSHOW VARIABLES;\noutput tabular\noutput\nhistory;\nversion\nhelp\nexit\nSELEC;"
    ended = piped(call, monkeypatch, text, "--define", "Name=x", "--define", "eq=a=b")
    assert (ended[0], ended[2]) == (0, "")
    lines = ended[1].splitlines()
    assert lines[:9] == [
        "VARIABLE | VALUE", "---------+------", "Name     | x", "eq       | a=b", "(2 rows)",
        '{"VARIABLE": "Name", "VALUE": "x"}', '{"VARIABLE": "eq", "VALUE": "a=b"}', "Rows are written as: table. There are: table, json, csv.",
        "SHOW VARIABLES;",
    ]  # fmt: skip
    assert lines[10].startswith("Penstock ")
    assert "output table | json | csv" in ended[1]


def test_a_word_within_a_statement_is_none_of_the_shell(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    text = STREAM + "INSERT INTO ${name} (n) VALUES (1);\nSELECT n AS\n  version\nFROM s;\noutput csv\nSELECT 1 FROM s"
    ended = piped(call, monkeypatch, text, "--define", "name=s")
    assert ended[0] == 0
    assert "VERSION\n-------\n1\n(1 row)\n" in ended[1]
    assert ended[1].endswith("\n1\n")


def test_an_output_that_there_is_not(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    assert piped(call, monkeypatch, "output xml\n")[2] == "There is no output xml. There are: table, json, csv.\n"


def test_the_layout_of_tables_is_set(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    text = "SET CLI COLUMN-WIDTH 5\nSHOW VARIABLES;\nset cli wrap off;\nSHOW VARIABLES;\nSET CLI COLUMN-WIDTH 0\nSHOW VARIABLES;"
    code, out, err = piped(call, monkeypatch, text, "--define", "name=a long value")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "VARIA | VALUE", "BLE   |", "------+------", "name  | a", "      | long", "      | value", "(1 row)",
        "VARIA | VALUE", "BLE   |", "------+------", "name  | a ...", "(1 row)",
        "VARIABLE | VALUE", "---------+-------------", "name     | a long value", "(1 row)",
    ]  # fmt: skip


@pytest.mark.parametrize("setting", ["SET CLI", "SET CLI COLUMN-WIDTH wide", "SET CLI WRAP 5", "SET CLI COLOR ON"])
def test_a_setting_of_the_layout_that_there_is_not(call: Call, monkeypatch: pytest.MonkeyPatch, setting: str) -> None:
    told = f"{setting.upper()} sets nothing. There are COLUMN-WIDTH n and WRAP ON | OFF.\n"
    assert piped(call, monkeypatch, f"{setting}\n")[2] == told


def test_spool(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    text = STREAM + "SPOOL 'kept.log';\nSHOW TABLES;\nSPOOL OFF;\nSHOW STREAMS;\nSPOOL OFF;\nSPOOL 'kept.log';\nSHOW TYPES;\nSPOOL 'two.log';"
    code, out, err = piped(call, monkeypatch, text, "--define", "name=s")
    assert Path("kept.log").read_text() == (
        "penstock> SHOW TABLES;\nNAME | TOPIC | KEY FORMAT | VALUE FORMAT | WINDOWED\n-----+-------+------------+--------------+---------\n(0 rows)\n"
        "penstock> SHOW TYPES;\nTYPE | SCHEMA\n-----+-------\n(0 rows)\n"
    )
    assert "The session is written to kept.log too.\n" in out
    assert "The session is in kept.log.\n" in out
    assert "The session is written to no file.\n" in out
    assert (code, err) == (1, "The session is written to kept.log already. SPOOL OFF ends that.\n")
    assert not Path("two.log").exists()


def test_spool_into_nothing(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    assert piped(call, monkeypatch, "SPOOL 'no/such/folder.log';")[2] == "The file no/such/folder.log cannot be written: No such file or directory.\n"


def test_settings_from_a_file(call: Call, tmp_path: Path) -> None:
    (tmp_path / "own.properties").write_text("# mine\n\nksql.streams.auto.offset.reset = latest\nnum.partitions=3\n")
    ended = call("query", "SHOW PROPERTIES;", "--data", ":memory:", "--config-file", "own.properties", "-o", "csv")
    assert "auto.offset.reset,latest,session" in ended.out
    assert "num.partitions,3,session" in ended.out
    assert "key.converter.schemas.enable,true,default" in ended.out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--define", "1x=2"], "--define takes NAME=VALUE, but got '1x=2'."),
        (["--define", "x"], "--define takes NAME=VALUE, but got 'x'."),
        (["--config-file", "nowhere"], "The file of settings nowhere cannot be read"),
        (["--config-file", "bad"], "bad takes NAME=VALUE, but got 'auto.offset.reset'."),
    ],
)
def test_what_is_no_variable_and_no_setting(call: Call, tmp_path: Path, arguments: list[str], told: str) -> None:
    (tmp_path / "bad").write_text("auto.offset.reset\n")
    ended = call("query", "SHOW TOPICS;", "--data", ":memory:", *arguments)
    assert ended.code == 1
    assert told in ended.err


def test_a_server_s_setting_without_a_value(call: Call) -> None:
    ended = call("server", "--data", ":memory:", "--listen", "127.0.0.1:0", "--set", "num.partitions")
    assert (ended.code, ended.err) == (1, "--set takes NAME=VALUE, but got 'num.partitions'.\n")


def test_what_is_shown_of_sources_topics_and_queries(call: Call, tmp_path: Path) -> None:
    (tmp_path / "made.sql").write_text(
        "CREATE STREAM s (k STRING KEY, n INT) WITH (kafka_topic='s', value_format='AVRO', partitions=1, retention_ms=86400000);"
        "CREATE TABLE w AS SELECT k, COUNT(*) AS c FROM s WINDOW TUMBLING (SIZE 2 HOURS) GROUP BY k;"
        "INSERT INTO s (rowtime, k, n) VALUES (7200000, 'a', 1); ASSERT VALUES w (c) VALUES (1);"
    )

    def told(statement: str) -> list[str]:
        sql = f"RUN SCRIPT 'made.sql'; {statement}"
        return call("query", sql, "--data", ":memory:", "-o", "csv").out.splitlines()

    window = "BIGINT (bounds of the key's tumbling window of 2 hours)"
    assert told("DESCRIBE w;")[1:] == ["K,STRING (primary key)", "C,BIGINT", f'"WINDOWSTART, WINDOWEND",{window}']
    assert {"Topic,s (1 partition)", "Records,1", f"Last record,{TIME}", "Read by,CTAS_W_1"} <= set(told("DESCRIBE s EXTENDED;"))
    assert told("DESCRIBE TABLES;")[:3] == ["NAME,FIELD,TYPE", "W,K,STRING (primary key)", "W,C,BIGINT"]
    assert "W,Type,TABLE" in told("DESCRIBE TABLES EXTENDED;")
    assert "s,1,1,delete,1 day,1,CTAS_W_1" in told("SHOW TOPICS EXTENDED;")
    queries = {"CTAS_W_1,State,RUNNING", "CTAS_W_1,Read of s,1 of 1 record", f'CTAS_W_1,Written to W,"1 record, the last of {TIME}"'}
    assert queries <= set(told("SHOW QUERIES EXTENDED;"))
    analysed = told("EXPLAIN ANALYZE CTAS_W_1;")
    assert "Read of s: 1 of 1 record" in analysed
    assert any("tumbling window of 2 hours" in line for line in analysed)


def test_records_are_printed_as_their_source_reads_them(call: Call) -> None:
    made = (
        "CREATE STREAM s (k STRING KEY, n INT) WITH (kafka_topic='s', value_format='AVRO');"
        "CREATE TABLE w WITH (value_format='PROTOBUF') AS SELECT k, COUNT(*) AS c FROM s WINDOW TUMBLING (SIZE 2 HOURS) GROUP BY k;"
        "CREATE STREAM d (k DOUBLE KEY, t STRING) WITH (kafka_topic='d', value_format='DELIMITED');"
        "INSERT INTO s (rowtime, k, n) VALUES (7200000, 'a', 1); ASSERT VALUES w (c) VALUES (1);"
        "INSERT INTO d (rowtime, k, t) VALUES (7200000, 1.5E0, 'plain text');"
    )

    def printed(topic: str) -> list[str]:
        (line,) = call("query", f"{made} PRINT '{topic}' FROM BEGINNING LIMIT 1;", "--data", ":memory:", "-o", "json").out.splitlines()[-1:]
        return [json.loads(line)[name] for name in ("ROWTIME", "KEY", "VALUE")]

    assert printed("s") == [TIME, "a", '{"N": 1}']
    assert printed("W") == [TIME, "a@7200000/14400000", '{"C": 1}']
    assert printed("d") == [TIME, "1.5", "plain text"]
