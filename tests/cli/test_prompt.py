"""The shell's prompt: when Enter ends the input, completion, history."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

import penstock
from penstock.cli import prompt
from penstock.cli.shell import shell


@pytest.fixture
def db() -> Iterator[penstock.Database]:
    with penstock.connect(":memory:") as opened:
        columns = "plant STRING KEY, moisture DOUBLE"
        opened.execute(f"CREATE STREAM readings ({columns}) WITH (kafka_topic='plant-readings', value_format='JSON', partitions=1);")
        yield opened


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ("", True),
        ("  \n", True),
        ("exit", True),
        ("HELP;", True),
        ("SHOW TOPICS;", True),
        ("SHOW TOPICS;  -- all", True),
        ("set cli wrap off", True),
        ("SHOW TOPICS", False),
        ("SET 'auto.offset.reset' = 'earliest'", False),
        ("SELECT ';", False),
        ("SELECT 'it''s;' FROM x", False),
        ("SELECT 1 /* ; */", False),
        ("SELECT 1; -- x;\nSELECT 2", False),
        ("SELECT ';'\nFROM x;", True),
        ("SELECT `a;b` FROM x", False),
    ],
)
def test_enter_ends_the_input_after_a_semicolon(text: str, complete: bool) -> None:
    assert prompt.complete_input(text) is complete


def completions(db: penstock.Database, text: str) -> list[str]:
    return [c.text for c in prompt.SqlCompleter(db).get_completions(Document(text), CompleteEvent())]


def test_completion(db: penstock.Database) -> None:
    assert "READINGS" in completions(db, "SELECT * FROM REA")
    assert "readings" in completions(db, "select * from rea")
    assert "MOISTURE" in completions(db, "SELECT READINGS.PLANT FROM READINGS WHERE MOI")
    assert "SELECT" in completions(db, "SEL")
    assert "LATEST_BY_OFFSET" in completions(db, "SELECT LATEST_")
    assert completions(db, "PRINT 'plant") == ["plant-readings"]
    assert completions(db, "SELECT zzz") == []


def test_a_session_by_hand(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Keys in, tables out: several lines, a mistake, help, and the history kept for the next time."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    keys = "CREATE STREAM s (n INT) WITH\r(kafka_topic='s', value_format='JSON', partitions=1);\rSELEC;\rSHOW STREAMS;\rhelp\rexit\r"
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        pipe.send_text(keys)
        shell(":memory:")
    output = capsys.readouterr()
    assert "SELEC is not expected here" in output.err
    assert "S    " in output.out
    assert "(2 rows)" in output.out
    assert "Tab completes" in output.out
    assert "SHOW STREAMS;" in (tmp_path / "penstock" / "history").read_text()
