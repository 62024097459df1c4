"""The file source and sink: files that grow, rotate and are cut off; kills in the middle; every option and mistake."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import penstock
from penstock.connect.files import tail
from penstock.log.protocol import Append
from penstock.log.records import records


@pytest.fixture
def db(tmp_path: Path) -> Iterator[penstock.Database]:
    with penstock.connect(tmp_path / "db", properties={"connector.file.allowed.paths": str(tmp_path / "in")}) as opened:
        (tmp_path / "in").mkdir()
        yield opened


@pytest.fixture
def folder(db: penstock.Database, tmp_path: Path) -> Path:
    return tmp_path / "in"


Begin = Callable[..., None]


@pytest.fixture
def begin(db: penstock.Database, folder: Path) -> Begin:
    """Start, or configure anew, the source `f` of the file a.txt to the topic t; keyword arguments are options, `_` for the dot."""

    def start(**options: str) -> None:
        given = {"file": f"{folder}/a.txt", "topic": "t", "poll.interval.ms": "10"} | {n.replace("_", "."): text for n, text in options.items()}
        db.create_connector("f", {"connector.class": "org.apache.kafka.connect.file.FileStreamSourceConnector", **given})

    return start


def arrived(db: penstock.Database, topic: str = "t") -> list[bytes | None]:
    assert db.connectors.wait_idle(20), db.connectors.statuses()
    return [row["value"] for row in db.log.read(topic, 0, 0).to_pylist()] if db.log.topic(topic) else []


def reason(db: penstock.Database, connector: str, text: str) -> None:
    """Wait until the connector's task has failed for such a reason."""
    deadline = time.monotonic() + 20
    while text not in (found := db.connectors.status(connector).tasks[0].reason):
        assert time.monotonic() < deadline, found
        time.sleep(0.005)


def add(path: Path, text: str | bytes) -> None:
    with path.open("ab") as file:
        file.write(text if isinstance(text, bytes) else text.encode())


# ---------------------------------------------------------------------------------------------- the source


def test_it_follows_a_growing_file_and_half_a_line_waits(db: penstock.Database, folder: Path, begin: Begin) -> None:
    begin()
    assert arrived(db) == [], "the file need not be there yet"
    add(folder / "a.txt", "one\r\ntwo\nthr")
    assert arrived(db) == [b"one", b"two"]
    add(folder / "a.txt", "ee\n\nf\xfcnf\n")
    add(folder / "a.txt", b"\xff\n")
    assert arrived(db) == [b"one", b"two", b"three", b"", "fünf".encode(), b"\xff"]
    place = db.connectors.positions("f")[f"{folder}/a.txt"]
    assert place["offset"] == (folder / "a.txt").stat().st_size


def test_it_goes_on_where_it_was(db: penstock.Database, folder: Path, begin: Begin) -> None:
    add(folder / "a.txt", "1\n2\n3")
    begin(batch_size="1")
    assert arrived(db) == [b"1", b"2"]
    db.connectors.pause("f")
    add(folder / "a.txt", "3\n4\n")
    db.connectors.resume("f")
    assert arrived(db) == [b"1", b"2", b"33", b"4"]


def test_rotation_while_it_reads(db: penstock.Database, folder: Path, begin: Begin) -> None:
    add(folder / "a.txt", "1\n")
    begin()
    assert arrived(db) == [b"1"]
    add(folder / "a.txt", "2\nlast without an end")
    (folder / "a.txt").rename(folder / "a.txt.1")
    add(folder / "a.txt", "3\n")
    assert arrived(db) == [b"1", b"2", b"last without an end", b"3"]
    (folder / "a.txt").unlink()
    assert len(arrived(db)) == 4
    add(folder / "a.txt", "4\n")
    assert arrived(db)[4:] == [b"4"]


def test_rotation_while_nobody_reads(db: penstock.Database, folder: Path, begin: Begin) -> None:
    add(folder / "a.txt", "1\n2\n")
    begin()
    assert arrived(db) == [b"1", b"2"]
    db.execute("PAUSE CONNECTOR 'f';")
    add(folder / "a.txt", "3\n")
    (folder / "a.txt").rename(folder / "a.txt.old")
    add(folder / "a.txt", "4\n")
    db.execute("RESUME CONNECTOR 'f';")
    assert arrived(db) == [b"1", b"2", b"3", b"4"]


def test_a_file_that_is_cut_off_is_read_anew(db: penstock.Database, folder: Path, begin: Begin) -> None:
    add(folder / "a.txt", "1\n2\n3\n")
    begin()
    assert len(arrived(db)) == 3
    (folder / "a.txt").write_text("4\n")
    assert arrived(db)[3:] == [b"4"]
    db.execute("PAUSE CONNECTOR 'f';")
    (folder / "a.txt").write_text("another file, and longer than the first\n")
    db.execute("RESUME CONNECTOR 'f';")
    assert arrived(db)[4:] == [b"another file, and longer than the first"]


def test_csv(db: penstock.Database, folder: Path, begin: Begin) -> None:
    add(folder / "a.txt", b"\xef\xbb\xbfid;name\n")
    add(folder / "a.txt", '1;"Ana; the ""first"""\n2;\n\n')
    begin(format="csv", csv_delimiter=";", key_field="id", errors_tolerance="all")
    assert [json.loads(value or b"") for value in arrived(db)] == [{"id": "1", "name": 'Ana; the "first"'}, {"id": "2", "name": None}]
    add(folder / "a.txt", "3;x;y\n4;ok\n")
    assert len(arrived(db)) == 3
    assert [row["key"] for row in db.log.read("t", 0, 0).to_pylist()] == [b"1", b"2", b"4"]
    letter = db.log.read("dlq-f", 0, 0).to_pylist()[0]
    assert letter["value"] == b"3;x;y"
    assert "it has 3 fields, not 2" in str(letter["headers"])
    db.execute("CREATE STREAM people (id STRING KEY, name STRING) WITH (kafka_topic = 't', value_format = 'JSON');")
    assert len(db.execute("SELECT * FROM people;")[0].rows) == 3


def test_csv_with_given_names(db: penstock.Database, folder: Path, begin: Begin) -> None:
    add(folder / "a.txt", "a comment\nold\tnames\n1\t2\n")
    begin(format="csv", csv_columns="x, y", csv_skip_lines="2", csv_delimiter="\\t", batch_size="1")
    assert arrived(db) == [b'{"x":"1","y":"2"}']
    add(folder / "a.txt", "3\t4\n")
    assert arrived(db)[1:] == [b'{"x":"3","y":"4"}']


def test_json_lines(db: penstock.Database, folder: Path, begin: Begin) -> None:
    add(folder / "a.txt", '{"id": 1, "n": [1.5, null]}\n\n{"id": \n[1]\n{"n": 1}\n')
    begin(format="json", key_field="id", errors_tolerance="all")
    assert arrived(db) == [b'{"id":1,"n":[1.5,null]}']
    assert arrived(db, "dlq-f") == [b'{"id": ', b"[1]", b'{"n": 1}']


def test_a_line_that_cannot_be_read_fails_the_task(db: penstock.Database, folder: Path, begin: Begin) -> None:
    add(folder / "a.txt", '{"a": 1}\nnot JSON\n')
    begin(format="json")
    reason(db, "f", "The line that ends at byte 18")
    assert db.connectors.positions("f") == {}


def test_many_files_divided_among_tasks(db: penstock.Database, folder: Path, begin: Begin) -> None:
    for n in range(10):
        add(folder / f"part-{n}.log", f"{n}\n")
    begin(file=f"{folder}/part-*.log", tasks_max="3")
    assert sorted(value or b"" for value in arrived(db)) == [str(n).encode() for n in range(10)]
    add(folder / "part-10.log", "10\n")
    add(folder / "part-3.log", "3 more\n")
    assert len(arrived(db)) == 12
    assert len(db.connectors.status("f").tasks) == 3
    assert len(db.connectors.positions("f")) == 11


def test_a_link_does_not_lead_out(db: penstock.Database, folder: Path, begin: Begin, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("x\n")
    (folder / "part-1").symlink_to(tmp_path / "secret.txt")
    begin(file=f"{folder}/part-*")
    reason(db, "f", "outside the folders")
    begin()
    assert arrived(db) == []
    (folder / "a.txt").symlink_to(tmp_path / "secret.txt")
    reason(db, "f", "a.txt")
    assert db.log.topic("t") is None


def test_a_line_without_end(db: penstock.Database, folder: Path, begin: Begin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tail, "LINE_BYTES_MAX", 100)
    add(folder / "a.txt", "x" * 101)
    begin()
    reason(db, "f", "longer than 100 bytes")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"file": "/etc/passwd"}, "outside the folders"),
        ({"csv.delimiter": ";;"}, "'csv.delimiter' is ';;', not one character"),
        ({"key.field": "x"}, "'key.field' needs fields"),
        ({"format": "xml"}, "'format' cannot be 'xml'"),
        ({"topic": None}, "needs the option 'topic'"),
    ],
)
def test_mistakes_of_the_source(options: dict[str, str | None], complaint: str, db: penstock.Database, folder: Path) -> None:
    given = {"connector.class": "FileStreamSource", "file": f"{folder}/a.txt", "topic": "t"} | options
    with pytest.raises(penstock.Error, match=re.escape(complaint)):
        db.create_connector("f", {name: text for name, text in given.items() if text is not None})


def test_at_rest_it_costs_nothing(db: penstock.Database, folder: Path) -> None:
    add(folder / "a.txt", "1\n")
    db.create_connector("f", {"connector.class": "FileSource", "file": f"{folder}/a.txt", "topic": "t"})
    assert len(arrived(db)) == 1
    time.sleep(0.5)  # until the waits have grown
    cpu_s, began = time.process_time(), time.monotonic()
    time.sleep(1)
    assert (time.process_time() - cpu_s) / (time.monotonic() - began) < 0.005


# ---------------------------------------------------------------------------------------------- the sink


STREAM = "CREATE STREAM readings (plant STRING KEY, moisture DOUBLE, note STRING) WITH (kafka_topic='readings', value_format='JSON', partitions=2);"


def write(db: penstock.Database, folder: Path, **options: str) -> Path:
    given = {"connector.class": "org.apache.kafka.connect.file.FileStreamSinkConnector", "topics": "readings", "file": f"{folder}/out/o.txt"}
    db.create_connector("o", given | {n.replace("_", "."): text for n, text in options.items()})
    return folder / "out" / "o.txt"


def test_the_forms_of_a_record(db: penstock.Database, folder: Path) -> None:
    db.execute(STREAM)
    db.insert("readings", [{"plant": "a", "moisture": 1.5, "note": 'x,"y"'}, {"plant": "a", "moisture": None, "note": "é"}])
    files = {}
    for name in ("lines", "csv", "json"):
        given = {"connector.class": "FileSink", "topics": "readings", "file": f"{folder}/{name}", "format": name}
        db.create_connector(name, given)
        assert db.connectors.wait_idle(20)
        files[name] = (folder / name).read_text().splitlines()
    assert files["lines"] == ['{"MOISTURE":1.5,"NOTE":"x,\\"y\\""}', '{"MOISTURE":null,"NOTE":"é"}']
    assert files["csv"] == ["PLANT,MOISTURE,NOTE", 'a,1.5,"x,""y"""', "a,,é"]
    assert json.loads(files["json"][0]) == {"PLANT": "a", "MOISTURE": 1.5, "NOTE": 'x,"y"'}


def test_records_without_a_stream_and_tombstones(db: penstock.Database, folder: Path) -> None:
    db.log.create_topic("readings")
    db.log.append(Append("readings", 0, records([(1, b"k", b"text"), (2, b"k", None), (3, b"k", b"more")])))
    path = write(db, folder)
    assert db.connectors.wait_idle(20)
    assert path.read_bytes() == b"text\nmore\n"
    assert db.log.committed("connect-o") == {("readings", 0): 3}


def test_what_is_in_the_file_stays_and_a_restart_goes_on(db: penstock.Database, folder: Path) -> None:
    db.log.create_topic("readings")
    (folder / "out").mkdir()
    (folder / "out" / "o.txt").write_text("before\n")
    path = write(db, folder)
    db.log.append(Append("readings", 0, records([(1, None, b"1")])))
    assert db.connectors.wait_idle(20)
    db.connectors.restart("o")
    add(path, "by hand\n")
    db.connectors.restart("o")
    db.log.append(Append("readings", 0, records([(1, None, b"2")])))
    assert db.connectors.wait_idle(20)
    assert path.read_text() == "before\n1\nby hand\n2\n"


def test_one_that_is_dropped_and_made_again_writes_once_more(db: penstock.Database, folder: Path) -> None:
    db.log.create_topic("plain")
    config = {"connector.class": "FileSink", "topics": "plain", "file": str(folder / "out.txt"), "value.converter": "StringConverter"}
    for lines in (["a"], ["a", "a"]):
        if lines == ["a"]:
            db.log.append(Append("plain", 0, records([(1, None, b"a")])))
        db.create_connector("out", config)
        assert db.connectors.wait_idle(20)
        assert (folder / "out.txt").read_text().splitlines() == lines
        db.execute("DROP CONNECTOR `out`;")


def test_columns_that_the_file_has_not_are_refused(db: penstock.Database, folder: Path) -> None:
    db.log.create_topic("readings")
    db.log.append(Append("readings", 0, records([(1, None, b'{"a":1}'), (2, None, b'{"b":1}'), (3, None, b'{"a":3}')])))
    options = {"value_converter": "JsonConverter", "value_converter_schemas_enable": "false", "errors_tolerance": "all", "csv_delimiter": "\\t"}
    path = write(db, folder, format="csv", **options)
    assert db.connectors.wait_idle(20)
    assert path.read_text() == "a\n1\n3\n"
    assert "It has the columns b" in str(db.log.read("dlq-o", 0, 0).to_pylist()[0]["headers"])
    db.connectors.restart("o")
    db.log.append(Append("readings", 0, records([(1, None, b'{"a":4}')])))
    assert db.connectors.wait_idle(20)
    assert path.read_text() == "a\n1\n3\n4\n", "the names stand once"


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"tasks_max": "2"}, "one file is written by one task"),
        ({"csv_delimiter": ""}, "not one character"),
        ({"file": "/etc/passwd"}, "outside the folders"),
    ],
)
def test_mistakes_of_the_sink(options: dict[str, str], complaint: str, db: penstock.Database, folder: Path) -> None:
    db.log.create_topic("readings")
    with pytest.raises(penstock.Error, match=complaint):
        write(db, folder, **options)
    with pytest.raises(penstock.Error, match="is a folder"):
        write(db, folder, file=str(folder))


def test_a_file_that_cannot_be_written(db: penstock.Database, folder: Path) -> None:
    db.log.create_topic("readings")
    db.log.append(Append("readings", 0, records([(1, None, b"1")])))
    (folder / "blocked").write_text("a file where a folder should be")
    write(db, folder, file=f"{folder}/blocked/o.txt")
    reason(db, "o", "cannot be opened")
    (folder / "blocked").unlink()
    db.connectors.resume("o")
    assert db.connectors.wait_idle(20)
    assert (folder / "blocked" / "o.txt").read_text() == "1\n"


# ---------------------------------------------------------------------------------------------- killed in the middle


def test_killed_in_the_middle_every_line_passes_once(tmp_path: Path) -> None:
    """From a growing file through a topic into another file, with SIGKILL at random moments: each line once, in order."""
    count, numbers = 1200, random.Random(9)
    (tmp_path / "run.sql").write_text("""
        CREATE SOURCE CONNECTOR IF NOT EXISTS i WITH ('connector.class' = 'FileSource', 'file' = 'in.txt', 'topic' = 't', 'batch.size' = '20');
        CREATE STREAM IF NOT EXISTS s (line STRING) WITH (kafka_topic = 't', value_format = 'KAFKA', partitions = 1);
        CREATE SINK CONNECTOR IF NOT EXISTS o WITH ('connector.class' = 'FileSink', 'file' = 'out.txt', 'topics' = 't', 'batch.size' = '20');""")
    lines = [f"line {n}" for n in range(count)]
    add(tmp_path / "in.txt", "\n".join(lines[: count // 2]))
    command = [sys.executable, "-m", "penstock.cli.main", "run", "run.sql", "--data", "db"]
    sizes: list[int] = []
    for _ in range(2):
        with subprocess.Popen(command, cwd=tmp_path, env=os.environ, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            while b"Ctrl-C" not in process.stdout.readline():
                assert process.poll() is None
            time.sleep(numbers.uniform(0.02, 0.3))  # the moment of the kill is what is random here
            process.send_signal(signal.SIGKILL)
        sizes.append((tmp_path / "out.txt").stat().st_size if (tmp_path / "out.txt").exists() else 0)
    add(tmp_path / "in.txt", "\n" + "\n".join(lines[count // 2 :]) + "\n")
    with penstock.connect(tmp_path / "db") as db:
        assert db.connectors.wait_idle(60)
    assert (tmp_path / "out.txt").read_text().splitlines() == [json.dumps({"LINE": line}, separators=(",", ":")) for line in lines], sizes
