"""The commands: what they print, where, and how they end."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.cli.conftest import Call

import penstock
from penstock.cli import demo, query

SETUP = """
CREATE STREAM readings (plant STRING KEY, moisture DOUBLE, tags ARRAY<STRING>) WITH (kafka_topic='readings', value_format='JSON', partitions=1);
CREATE TABLE dry AS SELECT plant, COUNT(*) AS times FROM readings WHERE moisture < 25 GROUP BY plant EMIT CHANGES;
"""
ROWS = [
    {"plant": "Crouton", "moisture": 24.5, "tags": ["a", "b"]},
    {"plant": "Ginny, the fig", "moisture": None},
    {"plant": "Crouton", "moisture": 23.0},
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a few rows, made once."""
    path = tmp_path_factory.mktemp("made") / "plants"
    with penstock.connect(path) as db:
        db.execute(SETUP)
        db.insert("readings", ROWS)
        assert db.wait_idle(20)
    return path


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> str:
    """A copy of it."""
    return str(shutil.copytree(made, tmp_path / "plants"))


def test_query_prints_a_table(call: Call, folder: str) -> None:
    ended = call("query", "SELECT plant, times FROM dry;", "--data", folder)
    assert ended == (0, "PLANT   | TIMES\n--------+------\nCrouton | 2\n", "")


def test_query_prints_csv_and_json(call: Call, folder: str) -> None:
    sql = "SELECT plant, moisture, tags FROM readings;"
    rows = list(csv.reader(io.StringIO(call("query", sql, "--data", folder, "--output", "csv").out)))
    assert rows == [["PLANT", "MOISTURE", "TAGS"], ["Crouton", "24.5", '["a", "b"]'], ["Ginny, the fig", "", ""], ["Crouton", "23.0", ""]]
    lines = call("query", sql, "--data", folder, "-o", "json").out.splitlines()
    assert json.loads(lines[0]) == {"PLANT": "Crouton", "MOISTURE": 24.5, "TAGS": ["a", "b"]}
    assert json.loads(lines[1])["MOISTURE"] is None
    assert len(lines) == 3


def test_query_that_finds_nothing(call: Call, folder: str) -> None:
    assert call("query", "SELECT plant FROM dry WHERE times > 9;", "--data", folder).out == "PLANT\n-----\n"
    assert call("query", "SELECT plant FROM dry WHERE times > 9;", "--data", folder, "-o", "csv").out == "PLANT\n"
    assert call("query", "SELECT plant FROM dry WHERE times > 9;", "--data", folder, "-o", "json").out == ""


def test_query_of_what_goes_on(call: Call, folder: str) -> None:
    ended = call("query", "SET 'auto.offset.reset'='earliest'; SELECT plant FROM readings EMIT CHANGES LIMIT 2;", "--data", folder, "-o", "json")
    assert ended.code == 0
    assert ended.out.splitlines()[-2:] == ['{"PLANT": "Crouton"}', '{"PLANT": "Ginny, the fig"}']
    printed = call("query", "PRINT 'readings' FROM BEGINNING INTERVAL 2 LIMIT 2;", "--data", folder, "-o", "json").out.splitlines()
    assert [json.loads(line)["OFFSET"] for line in printed] == [0, 2]


def test_query_changes_what_is_there(call: Call, folder: str) -> None:
    ended = call("query", "INSERT INTO readings (plant, moisture) VALUES ('Piper', 3.0); SELECT times FROM dry;", "--data", folder, "-o", "csv")
    assert ended.code == 0
    assert "1 row" in ended.err
    assert call("query", "SELECT plant FROM dry;", "--data", folder, "-o", "csv").out.splitlines() == ["PLANT", "Crouton", "Piper"]


def test_query_reads_its_input(call: Call, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("SELECT times FROM dry;"))
    assert call("query", "-", "--data", folder, "-o", "csv").out == "TIMES\n2\n"


def test_query_beside_a_writer_reads_and_does_not_write(call: Call, folder: str) -> None:
    program = f"import penstock, sys; db = penstock.connect({folder!r}); print('open', flush=True); sys.stdin.read()"
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "open\n"
        assert call("query", "SELECT plant, times FROM dry;", "--data", folder, "-o", "csv").out == "PLANT,TIMES\nCrouton,2\n"
        ended = call("query", "INSERT INTO readings (plant) VALUES ('x');", "--data", folder)
        assert ended.code == 1
        assert len(ended.err.splitlines()) == 1
        writer.kill()


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["query", "SELEC 1;"], 1, "Line 1:1: SELEC is not expected here. Did you mean SELECT?"),
        (["query", "SELECT * FROM nowhere;"], 1, "nowhere"),
        (["query", "SHOW TOPICS;", "--data", "no-such-folder"], 1, "no-such-folder"),
        (["query", "SHOW TOPICS;", "--output", "xml"], 2, "See: penstock query --help"),
        (["query"], 2, "See: penstock query --help"),
        (["query", "SHOW TOPICS;", "--colour"], 2, "No such option: --colour"),
        (["qery"], 2, "See: penstock --help"),
        (["run", "no-such-file.sql"], 2, "no-such-file.sql"),
        (["demo", "cactus"], 1, "There is no pipeline 'cactus'. There are: "),
        (["bot", "cactus", "--terminal"], 1, "There is no pipeline 'cactus'."),
        (["bot", "no-such-file.py", "--terminal"], 1, "There is no file no-such-file.py."),
        (["bot", "houseplants", "--token-file", "no-such-file"], 1, "The token's file no-such-file cannot be read"),
        (["demo", "ratings", "--data", ":memory:"], 1, "The ratings need a database in a folder"),
        (["demo", "socks", "--data", ":memory:"], 1, "The socks need a database in a folder"),
        (["demo", "houseplants", "--speed", "0"], 2, "See: penstock demo --help"),
    ],
)
def test_mistakes_are_one_line_and_never_a_traceback(arguments: list[str], code: int, complaint: str, call: Call, folder: str) -> None:
    if arguments[0] == "query" and "--data" not in arguments:
        arguments = [*arguments, "--data", folder]
    ended = call(*arguments)
    assert ended.code == code
    assert complaint.lower() in ended.err.lower()
    assert len(ended.err.splitlines()) == 1, ended.err
    assert ended.out == ""


def test_a_bug_says_how_to_report_it(call: Call, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(sql: str) -> None:
        raise RuntimeError("out of\ncheese")

    monkeypatch.setattr(query, "split", broken)
    ended = call("query", "SHOW TOPICS;", "--data", folder)
    assert ended.code == 1
    assert "bug: RuntimeError: out of cheese" in ended.err
    assert "report" in ended.err
    assert "Traceback" not in ended.err
    monkeypatch.setenv("PENSTOCK_DEBUG", "1")
    assert "Traceback" in call("query", "SHOW TOPICS;", "--data", folder).err


@pytest.mark.parametrize("command", ["run", "shell", "query", "demo", "version"])
def test_every_help_shows_an_example(command: str, call: Call) -> None:
    ended = call(command, "--help")
    assert ended.code == 0
    assert f"Example:\n    penstock {command}" in ended.out


def test_alone_it_shows_its_commands(call: Call) -> None:
    assert "penstock [OPTIONS] COMMAND" in call().out


def test_version(call: Call) -> None:
    out = call("version").out
    assert out.startswith("penstock ")
    assert "duckdb 2" in out


def test_shell_runs_a_pipe(call: Call, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("SELECT plant, times\n  FROM dry; -- a comment;\nSHOW TABLES;"))
    ended = call("shell", "--data", folder)
    assert ended.code == 0
    assert "Crouton | 2\n(1 row)" in ended.out
    assert "DRY" in ended.out
    monkeypatch.setattr("sys.stdin", io.StringIO("SHOW TABLES; SELEC;"))
    ended = call("shell", "--data", folder)
    assert ended.code == 1
    assert "SELEC is not expected here" in ended.err


def wait_for(process: subprocess.Popen[str], text: str, timeout_s: float = 30) -> list[str]:
    """The lines up to one that holds `text`."""
    assert process.stdout is not None
    lines, deadline = [], time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        line = process.stdout.readline()
        lines.append(line)
        if text in line or not line:
            break
    assert text in lines[-1], lines
    return lines


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_run_goes_on_until_told_and_its_queries_work_meanwhile(end: signal.Signals, tmp_path: Path, call: Call) -> None:
    (tmp_path / "plants.sql").write_text(SETUP + "INSERT INTO readings (plant, moisture) VALUES ('Piper', 3.0);\nSHOW STREAMS;\n")
    command = [sys.executable, "-m", "penstock.cli.main", "run", "plants.sql", "--data", "db"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ) as process:
        lines = wait_for(process, "Ctrl-C ends")
        assert any("READINGS" in line for line in lines)
        deadline = time.monotonic() + 20
        while "Piper" not in (ended := call("query", "SELECT plant FROM dry;", "--data", "db")).out and time.monotonic() < deadline:
            pass
        assert "Piper" in ended.out, ended
        process.send_signal(end)
        _, err = process.communicate(timeout=20)
        assert process.returncode == 0, err
        assert err == ""


def test_functions_of_a_file(call: Call, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.py").write_text("import penstock\n\n@penstock.udf\ndef shout(text: str) -> str:\n    return text.upper() + '!'\n")
    monkeypatch.setattr("sys.stdin", io.StringIO("SELECT SHOUT(plant) AS loud FROM dry;"))
    assert "CROUTON!" in call("shell", "--data", folder, "--functions", "mine.py").out
    ended = call("shell", "--data", folder, "--functions", "none.py")
    assert ended.code == 1
    assert "none.py cannot be read" in ended.err
    assert len(ended.err.splitlines()) == 1
    (tmp_path / "broken.py").write_text("1 / 0\n")
    ended = call("shell", "--data", folder, "--functions", "broken.py")
    assert ended.code == 1
    assert "broken.py, line 1: ZeroDivisionError: division by zero." in ended.err


def test_run_names_the_file_of_a_mistake(call: Call, tmp_path: Path) -> None:
    (tmp_path / "bad.sql").write_text("SHOW TOPICS;\nSELECT * FROM\n  nowhere;\n")
    ended = call("run", "bad.sql", "--data", "db")
    assert ended.code == 1
    assert "bad.sql" in ended.err
    assert "3:3" in ended.err
    assert "NOWHERE" in ended.err


def test_the_pipelines_are_found_by_name_and_by_folder(tmp_path: Path) -> None:
    assert "houseplants" in demo.folders()
    mine = tmp_path / "my-cactus"
    mine.mkdir()
    (mine / "__init__.py").write_text('"""A pipeline."""\n')
    (mine / "demo.py").write_text('"""Its demo."""\nfrom .spines import COUNT\n')
    (mine / "spines.py").write_text('"""Spines."""\nCOUNT = 7\n')
    assert demo.load(demo.find(str(mine))).COUNT == 7


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "mine.py cannot be read: No such file or directory."),
        ("import penstock\n\ndef (:\n", "mine.py, line 3: SyntaxError: "),
        ("import penstock\n", "mine.py defines none. Put @penstock.udf"),
        ("\nraise ValueError('not\\ntoday')\n", "mine.py, line 2: ValueError: not today."),
        ("import sys\nsys.exit(3)\n", "mine.py, line 2: SystemExit: 3."),
        ("import penstock\n\n@penstock.udf\ndef f(x):\n    return x\n", "mine.py, line 3: The function f lacks a type for x, return."),
    ],
)
def test_a_bad_file_of_functions_is_told_in_one_line(text: str | None, said: str, call: Call, tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("SHOW TOPICS;")
    if text is not None:
        (tmp_path / "mine.py").write_text(text)
    ended = call("run", "a.sql", "--data", "db", "--functions", "mine.py")
    assert ended.code == 1
    assert said in ended.err
    assert len(ended.err.splitlines()) == 1
    assert ended.out == ""


def test_a_file_of_functions_imports_the_modules_beside_it(call: Call, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once and as a function is called; no module of Python's own is replaced, and a mistake is told where it stands."""
    monkeypatch.setattr("sys.path", [*sys.path])
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    beside = tmp_path / "mine"
    beside.mkdir()
    (beside / "marks_of_mine.py").write_text("MARK = '?!'\n")
    (beside / "later_of_mine.py").write_text("def loud(text: str) -> str:\n    return text.upper()\n")
    (beside / "colorsys.py").write_text("raise ImportError('this is not the one of Python')\n")
    (beside / "functions.py").write_text(
        "import penstock\nimport colorsys\nfrom marks_of_mine import MARK\n\n@penstock.udf\ndef wonder(text: str) -> str:\n"
        "    from later_of_mine import loud\n    return loud(text) + MARK\n"
    )
    monkeypatch.setattr("sys.stdin", io.StringIO("SELECT WONDER(plant) AS loud FROM dry;"))
    assert "CROUTON?!" in call("shell", "--data", folder, "--functions", "mine/functions.py").out
    (beside / "bad_of_mine.py").write_text("\nx = 1 / 0\n")
    (beside / "torn_of_mine.py").write_text("\n\nx = (\n")
    for module, said in (("bad", "line 2: ZeroDivisionError: division by zero."), ("torn", "line 3: SyntaxError: ")):
        (beside / "more.py").write_text(f"import penstock\nimport {module}_of_mine\n")
        ended = call("shell", "--data", folder, "--functions", "mine/more.py")
        assert ended.code == 1
        assert f"mine/more.py, {module}_of_mine.py, {said}" in ended.err


MINE = """
from __future__ import annotations
from dataclasses import dataclass
import penstock

@dataclass
class Span:
    low: float | None
    high: float | None

@penstock.udf
def twice(x: float) -> float:
    return x * 2

@penstock.udtf
def halves(x: float) -> list[float]:
    return [x / 2, x / 2]

@penstock.udaf
class Bounds:
    def initial(self) -> Span:
        return Span(None, None)

    def add(self, state: Span, x: float) -> Span:
        if x < 0:
            raise ValueError(f"{x} is below zero")
        return Span(min(x, state.low if state.low is not None else x), max(x, state.high if state.high is not None else x))
"""


def test_run_with_functions_of_each_kind(tmp_path: Path, call: Call) -> None:
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "plants.sql").write_text("""
        CREATE STREAM s (k STRING KEY, x DOUBLE) WITH (kafka_topic='s', value_format='JSON', partitions=1);
        CREATE TABLE spans AS SELECT k, BOUNDS(TWICE(x)) AS span FROM s GROUP BY k EMIT CHANGES;
        CREATE STREAM parts AS SELECT k, HALVES(x) AS half FROM s EMIT CHANGES;
        INSERT INTO s (k, x) VALUES ('a', 2.0); INSERT INTO s (k, x) VALUES ('a', -1.0); INSERT INTO s (k, x) VALUES ('a', 5.0);
    """)
    command = [sys.executable, "-m", "penstock.cli.main", "run", "plants.sql", "--data", "db", "--functions", "mine.py"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=os.environ) as process:
        wait_for(process, "Ctrl-C ends")
        deadline, ended = time.monotonic() + 30, None
        while (ended is None or '"HIGH": 10.0' not in ended.out) and time.monotonic() < deadline:
            ended = call("query", "SELECT span FROM spans;", "--data", "db", "-o", "json", "--functions", "mine.py")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
        assert (process.returncode, err) == (0, "")
    assert ended is not None
    assert json.loads(ended.out) == {"SPAN": {"LOW": 4.0, "HIGH": 10.0}}
    halves = call("query", "SELECT half FROM parts;", "--data", "db", "-o", "csv", "--functions", "mine.py")
    assert halves.out.split() == ["HALF", "1.0", "1.0", "-0.5", "-0.5", "2.5", "2.5"]
    (told,) = call("query", "SELECT reason, offset FROM PROCESSING_LOG;", "--data", "db", "-o", "json").out.splitlines()
    assert json.loads(told) == {"REASON": "BOUNDS.add: ValueError: -2.0 is below zero (mine.py, line 26)", "OFFSET": 1}
