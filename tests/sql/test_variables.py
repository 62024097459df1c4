"""DEFINE, UNDEFINE and ${name}; cutting a text into statements."""

from __future__ import annotations

import pytest

from penstock.errors import Position, SqlError
from penstock.sql import ast
from penstock.sql.parser import parse
from penstock.sql.tokens import Piece, split_statements
from penstock.sql.variables import substitute


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("'${format}' ${n}", "'AVRO' 3"),
        ("${FORMAT}", "AVRO"),
        ("${Quoted}", "'x'"),
        ("$${format}", "${format}"),
        ("$$${format}", "$${format}"),
        ("${unknown}", "${unknown}"),
        ("${file:/secrets/mqtt.properties:USER}", "${file:/secrets/mqtt.properties:USER}"),
        ("${env:format}", "${env:format}"),
        ("$format {format} ${} ${1a} ${a b}", "$format {format} ${} ${1a} ${a b}"),
        ("${format}${n}", "AVRO3"),
        ("topic_${env_${n}}", "topic_${env_3}"),
        ("${self}", "${self}"),
    ],
)
def test_substitute(text: str, expected: str) -> None:
    assert substitute(text, {"format": "AVRO", "n": "3", "quoted": "'x'", "self": "${self}"}) == expected


def test_define_takes_effect_from_the_next_statement_on() -> None:
    variables = {"n": "1"}
    sql = """DEFINE name = 'plants'; DEFINE N = '7';
    CREATE STREAM ${name} WITH (kafka_topic='${NAME}-$${n}', partitions=${n}, x='${env:HOME}');
    UNDEFINE name; PRINT '${name}' LIMIT ${n};"""
    statements = parse(sql, variables)
    assert statements[2] == ast.CreateSource("STREAM", "PLANTS", (), {"KAFKA_TOPIC": "plants-${n}", "PARTITIONS": 7, "X": "${env:HOME}"})
    assert statements[4] == ast.Print("${name}", limit=7)
    assert variables == {"n": "7"}
    assert statements[2].text.startswith("CREATE STREAM plants WITH")


def test_a_value_may_be_several_statements() -> None:
    assert [type(each) for each in parse("${all}", {"all": "SHOW STREAMS; SHOW TABLES"})] == [ast.Show, ast.Show]


def test_without_variables_nothing_is_replaced() -> None:
    with pytest.raises(SqlError, match=r"^Line 1:7: The variable \$\{t\} is not defined"):
        parse("PRINT ${t};")
    assert parse("PRINT '${t}';") == [ast.Print("${t}")]


def test_positions_after_substitution() -> None:
    with pytest.raises(SqlError, match=r"^Line 2:15: FORM is not expected here"):
        parse("SHOW TABLES;\n  SELECT ${a} FORM t;", {"a": "abcd"})


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", []),
        (" ;; -- nothing ;\n", []),
        ("SHOW STREAMS", [("SHOW STREAMS", "1:1", False)]),
        ("SHOW STREAMS;", [("SHOW STREAMS", "1:1", True)]),
        ("a 'x;y' ;\n `b;` -- c;\n ; /* ; */ \"d;\" /*", [("a 'x;y'", "1:1", True), ("`b;`", "2:2", True), ('"d;" /*', "3:12", False)]),
        ("SELECT 'it''s;", [("SELECT 'it''s;", "1:1", False)]),
        ("SELECT `a;", [("SELECT `a;", "1:1", False)]),
    ],
)
def test_split_statements(text: str, pieces: list[tuple[str, str, bool]]) -> None:
    expected = []
    for piece, place, complete in pieces:
        line, column = place.split(":")
        expected.append(Piece(piece, Position(int(line), int(column)), complete))
    assert split_statements(text) == expected
