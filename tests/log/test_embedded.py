"""What only the embedded home does: the folder, its one writer, readers in other processes, and what a crash leaves."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import lmdb
import pytest
from tests.machine import files_no_larger_than, how_slow, idle_median_ms

from penstock.errors import StorageError, StorageLostError
from penstock.log import open_log
from penstock.log.embedded import environment
from penstock.log.embedded.folder import FORMAT
from penstock.log.embedded.log import EmbeddedLog
from penstock.log.protocol import Append, Log
from penstock.log.records import records

T0 = 1_700_000_000_000


def one(value: bytes = b"v") -> Append:
    return Append("t", 0, records([(T0, b"k", value)]))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def log(folder: Path) -> Iterator[Log]:
    opened = open_log(folder)
    opened.create_topic("t")
    yield opened
    opened.close()


def python(program: str, *arguments: str) -> subprocess.Popen[str]:
    """A child process that runs `program`."""
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def line_of(child: subprocess.Popen[str]) -> str:
    assert child.stdout
    return child.stdout.readline().strip()


def stop(child: subprocess.Popen[str]) -> None:
    child.kill()
    child.communicate()


# The folder


def test_all_is_there_after_reopening(folder: Path) -> None:
    log = open_log(str(folder))
    log.create_topic("t", 2)
    with log.begin() as transaction:
        transaction.append(one())
        transaction.commit_offsets("g", {("t", 0): 1})
        transaction.state("s").put_many([(b"a", b"1")])
    version = log.version()
    log.close()
    log = open_log(folder)
    assert log.read("t", 0, 0).column("value").to_pylist() == [b"v"]
    assert log.committed("g") == {("t", 0): 1}
    assert log.version() == version
    log.append(one())
    assert log.read("t", 0, 1).column("sequence")[0].as_py() >= version
    with log.snapshot() as snapshot:
        assert list(snapshot.state("s").scan()) == [(b"a", b"1")]
    log.close()


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(StorageError, match=r"not a Penstock folder and not empty: it holds thesis\.tex"):
        open_log(tmp_path)
    assert os.listdir(tmp_path) == ["thesis.tex"]


def test_another_format_is_refused(folder: Path) -> None:
    open_log(folder).close()
    (folder / "penstock.format").write_text(f"penstock {FORMAT + 1}\n")
    with pytest.raises(StorageError, match=rf"has format {FORMAT + 1}; .* up to {FORMAT}\. Upgrade"):
        open_log(folder)
    (folder / "penstock.format").write_text("penstock 1\n")
    with pytest.raises(StorageError, match=r"has format 1, from before the first release; .* Name a new folder"):
        open_log(folder)
    (folder / "penstock.format").write_text("gibberish")
    with pytest.raises(StorageError, match="damaged"):
        open_log(folder)


def test_reading_needs_a_folder(folder: Path) -> None:
    with pytest.raises(StorageError, match="no Penstock folder"):
        open_log(folder, read_only=True)
    assert not folder.exists()
    with pytest.raises(StorageError, match="nothing to read"):
        open_log(":memory:", read_only=True)


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be used"):
        open_log(tmp_path / "file")


def test_damaged_data_is_told(folder: Path) -> None:
    open_log(folder).close()
    (folder / "data.mdb").write_bytes(b"nonsense" * 2000)
    with pytest.raises(StorageError, match=r"data\.mdb cannot be opened"):
        open_log(folder)


def test_a_log_in_memory_leaves_no_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, "memory_folder", lambda: Path(tmp_path / "here"))
    (tmp_path / "here").mkdir()
    log = open_log(":memory:")
    assert not (tmp_path / "here").exists()
    log.create_topic("t")
    log.append(one())
    assert log.end_offset("t", 0) == 1
    log.close()


# One writer, many readers


def test_a_second_writer_in_this_process_is_refused(log: Log, folder: Path) -> None:
    with pytest.raises(StorageError, match=r"already open in this process\. Share"):
        open_log(folder)
    reader = open_log(folder, read_only=True)
    log.append(one(b"new"))
    assert reader.read("t", 0, 0).column("value").to_pylist() == [b"new"]
    with pytest.raises(StorageError, match="read-only"):
        reader.append(one())
    with pytest.raises(StorageError, match="read-only"):
        reader.begin().__enter__()
    log.close()
    assert reader.end_offset("t", 0) == 1, "the handle that is left keeps the folder open"
    with pytest.raises(StorageError, match="already open in this process"):
        open_log(folder)
    reader.close()
    open_log(folder).close()


HOLD = """
import sys
from penstock.log import open_log
log = open_log(sys.argv[1])
print("open", flush=True)
sys.stdin.read()
"""


def test_a_second_writing_process_is_told_who_holds_the_folder(folder: Path) -> None:
    child = python(HOLD, str(folder))
    assert line_of(child) == "open"
    with pytest.raises(StorageError, match=rf"{folder} is already open for writing, by process {child.pid}\. Open it read-only"):
        open_log(folder)
    open_log(folder, read_only=True).close()
    child.send_signal(signal.SIGKILL)
    child.communicate()
    open_log(folder).close()


READ = """
import sys, time
from penstock.log import open_log
log = open_log(sys.argv[1], read_only=True)
version = log.version()
print("ready", flush=True)
for _ in range(20):
    version = log.watch(version, 30)
    now = time.time()
    batch = log.read("t", 0, log.end_offset("t", 0) - 1)
    print(now - float(batch.column("value")[0].as_py()), flush=True)
before = time.process_time()
log.watch(version, 1.0)
print(time.process_time() - before, flush=True)
"""


def test_a_reading_process_sees_new_records_soon_and_waits_for_nothing(log: Log, folder: Path) -> None:
    child = python(READ, str(folder))
    assert line_of(child) == "ready"
    delays, slowness = [], []
    for _ in range(20):
        slowness.append(how_slow())
        log.append(one(str(time.time()).encode()))
        delays.append(float(line_of(child)))
    busy = float(line_of(child))
    child.communicate()
    assert idle_median_ms("a reading process sees a record", delays, slowness) < 50
    assert busy < 0.02, "a second of waiting costs under 2 % of a core"


def test_state_alone_wakes_nobody(log: Log, folder: Path) -> None:
    version = log.version()
    with log.begin() as transaction:
        transaction.state("s").put_many([(b"a", b"1")])
    log.commit_offsets("g", {("t", 0): 0})
    assert log.version() == version


def test_readers_in_threads_see_whole_batches_while_one_writes(log: Log) -> None:
    done = threading.Event()
    wrong: list[object] = []

    def check() -> None:
        while not done.is_set():
            values = log.read("t", 0, 0).column("value").to_pylist()
            if values != [b"%d" % (i // 10) for i in range(len(values))] or len(values) % 10:
                wrong.append(values)

    threads = [threading.Thread(target=check) for _ in range(4)]
    for thread in threads:
        thread.start()
    for i in range(100):
        log.append(Append("t", 0, records([(T0, b"k", b"%d" % i)] * 10)))
    log.clean(T0)
    done.set()
    for thread in threads:
        thread.join()
    assert not wrong


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_the_lock_is_not_inherited_by_a_forked_child(folder: Path) -> None:
    log = open_log(folder)
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        os.write(writing, b".")
        signal.pause()
        os._exit(0)
    try:
        os.read(reading, 1)
        log.close()
        open_log(folder).close()
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


# Group commit


def test_appends_that_wait_share_one_write(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(log, EmbeddedLog)
    commits = 0
    real = environment.commit

    def counted(txn: object) -> None:
        nonlocal commits
        commits += 1
        real(txn)

    monkeypatch.setattr(environment, "commit", counted)
    offsets: dict[int, int] = {}
    with log._appender._turn:  # as if one were being written
        threads = [threading.Thread(target=lambda n=n: offsets.update({n: log.append(one(b"%d" % n))[0]})) for n in range(16)]
        for thread in threads:
            thread.start()
        while len(log._appender._queue) < 16:
            time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert commits == 1
    values = log.read("t", 0, 0).column("value").to_pylist()
    assert {n: values[offset] for n, offset in offsets.items()} == {n: b"%d" % n for n in range(16)}


def test_concurrent_appends_keep_each_threads_order(log: Log) -> None:
    offsets: dict[int, list[int]] = {}

    def work(number: int) -> None:
        offsets[number] = [log.append(one(b"%d %d" % (number, i)))[0] for i in range(50)]

    threads = [threading.Thread(target=work, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    batch = log.read("t", 0, 0)
    values = batch.column("value").to_pylist()
    assert len(values) == 400
    assert batch.column("sequence").to_pylist() == sorted(batch.column("sequence").to_pylist())
    for number, given in offsets.items():
        assert given == sorted(given)
        assert [values[offset] for offset in given] == [b"%d %d" % (number, i) for i in range(50)]


def test_one_wrong_append_does_not_harm_those_beside_it(log: Log) -> None:
    assert isinstance(log, EmbeddedLog)
    results: dict[str, object] = {}

    def work(topic: str) -> None:
        try:
            results[topic] = log.append(Append(topic, 0, records([(T0, None, b"x")])))
        except Exception as error:  # noqa: BLE001  # whatever it is, the test looks at it
            results[topic] = str(error)

    log.create_topic("u")
    with log._appender._turn:  # all three queue, and are written together
        threads = [threading.Thread(target=work, args=(name,)) for name in ("t", "no-such-topic", "u")]
        for thread in threads:
            thread.start()
        while len(log._appender._queue) < 3:
            time.sleep(0.001)
    for thread in threads:
        thread.join()
    assert results == {"t": [0], "u": [0], "no-such-topic": "Topic no-such-topic does not exist. Create it first, or check its name."}


# Failure


def test_a_failed_write_stops_all_writing_until_reopened(log: Log, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The failure is simulated: `environment.commit` raises what LMDB raises when the disk fails."""
    log.append(one(b"before"))

    def fail(txn: lmdb.Transaction[bytes]) -> None:
        txn.abort()
        raise lmdb.DiskError("mdb_txn_commit: Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(environment, "commit", fail)
        with pytest.raises(StorageLostError, match=r"failed to write: mdb_txn_commit: Input/output error.* It writes no more"):
            log.append(one(b"lost"))
    for write in (lambda: log.append(one()), lambda: log.create_topic("u"), lambda: log.begin().__enter__()):
        with pytest.raises(StorageLostError, match="failed to write earlier"):
            write()
    assert log.read("t", 0, 0).column("value").to_pylist() == [b"before"]
    log.close()
    log = open_log(folder)
    log.append(one(b"after"))
    assert log.read("t", 0, 0).column("value").to_pylist() == [b"before", b"after"]
    log.close()


def test_a_full_disk_refuses_what_it_has_no_room_for_and_nothing_else(log: Log, folder: Path) -> None:
    log.append(one(b"before"))
    size = (folder / "data.mdb").stat().st_size
    with files_no_larger_than(size + (2 << 20)):
        for _ in range(2):
            with pytest.raises(StorageError, match=r"no room left on the disk .* nothing of a transaction was written") as raised:
                log.append(one(bytes(8 << 20)))
            assert not isinstance(raised.value, StorageLostError)
        log.append(one(b"small"))
    log.append(one(bytes(8 << 20)))
    log.close()
    log = open_log(folder)
    values = log.read("t", 0, 0).column("value").to_pylist()
    assert [len(value) for value in values] == [6, 5, 8 << 20]
    log.close()


def test_everyone_who_waits_is_told_of_a_failed_write(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(txn: lmdb.Transaction[bytes]) -> None:
        txn.abort()
        raise lmdb.DiskError("no space")

    monkeypatch.setattr(environment, "commit", fail)
    told: list[bool] = []

    def work() -> None:
        try:
            log.append(one())
        except StorageError:
            told.append(True)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert told == [True] * 8


def test_the_map_grows_where_address_space_is_short(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = lmdb.open
    sizes: list[int] = []

    def short(path: str, *, map_size: int, **rest: object) -> object:
        sizes.append(map_size)
        if map_size > environment.MAP_BYTES_MIN:
            raise lmdb.Error("mmap: Cannot allocate memory")
        return real(path, map_size=1 << 20, **rest)  # type: ignore[arg-type]

    monkeypatch.setattr(environment.lmdb, "open", short)  # type: ignore[attr-defined]
    log = open_log(folder)
    assert isinstance(log, EmbeddedLog)
    log._environment._map_bytes = 1 << 20
    log.create_topic("t")
    for _ in range(40):
        log.append(one(random.Random(1).randbytes(100_000)))
    assert log.end_offset("t", 0) == 40
    assert log._environment._map_bytes > 4 << 20
    with pytest.raises(StorageError, match="larger than the space left"):
        log.append(one(b"x" * (15 << 20)), one(b"x" * (15 << 20)))
    log.append(one())
    log.close()
    assert sizes[0] > sizes[-1]


APPEND = """
import sys
from penstock.log import open_log
from penstock.log.protocol import Append
from penstock.log.records import records
log = open_log(sys.argv[1])
if log.topic("t") is None:
    log.create_topic("t")
count = log.end_offset("t", 0)
print("ready", flush=True)
while True:
    rows = [(0, b"k", b"%d" % (count + i)) for i in range(count % 50 + 1)]
    with log.begin() as transaction:
        transaction.append(Append("t", 0, records(rows)))
        count += len(rows)
        transaction.commit_offsets("g", {("t", 0): count})
        transaction.state("s").put_many([(b"count", b"%d" % count)])
    print(count, flush=True)
"""


def test_killed_while_appending_nothing_acknowledged_is_lost_and_nothing_torn(folder: Path) -> None:
    chance = random.Random(11)
    for _ in range(3):
        child = python(APPEND, str(folder))
        assert line_of(child) == "ready"
        for _ in range(chance.randrange(1, 60)):
            acknowledged = int(line_of(child))
        child.kill()
        rest, _ = child.communicate()
        whole = [line for line in rest.splitlines(keepends=True) if line.endswith("\n")]
        acknowledged = int(whole[-1]) if whole else acknowledged
        log = open_log(folder)
        batch = log.read("t", 0, 0, max_records=1_000_000)
        assert batch.num_rows >= acknowledged
        assert batch.column("value").to_pylist() == [b"%d" % i for i in range(batch.num_rows)]
        assert log.committed("g") == {("t", 0): batch.num_rows}
        with log.snapshot() as snapshot:
            assert snapshot.state("s").get_many([b"count"]) == [b"%d" % batch.num_rows]
        log.close()
