"""The file's growth ahead of LMDB: zeros beyond the end, and nothing else."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from penstock.log import open_log
from penstock.log.embedded import ahead
from penstock.log.embedded.folder import DATA_FILE
from penstock.log.protocol import Append, TopicConfig
from penstock.log.records import records

MB = 1 << 20


@pytest.fixture
def file(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "f").write_bytes(b"x" * 1000)
    opened = os.open(tmp_path / "f", os.O_RDWR)
    yield opened
    os.close(opened)


def test_the_file_reaches_as_far_as_it_shall_and_what_was_there_stays(file: int) -> None:
    ahead.grow(file, 5 * MB + 77, 100 * MB)
    assert os.fstat(file).st_size == 5 * MB + 77
    content = os.pread(file, 6 * MB, 0)
    assert content == b"x" * 1000 + bytes(5 * MB + 77 - 1000)
    ahead.grow(file, 3 * MB, 100 * MB)
    assert os.fstat(file).st_size == 5 * MB + 77, "a file that reaches further is left alone"


@pytest.mark.parametrize(("end", "room"), [(MB, 100 * MB), (50 * MB, 60 * MB), (50 * MB, 0)])
def test_little_growth_and_what_would_fill_the_disk_is_left_to_lmdb(file: int, end: int, room: int) -> None:
    ahead.grow(file, end, room)
    assert os.fstat(file).st_size == 1000


def test_a_disk_that_takes_no_more_is_no_error(file: int, tmp_path: Path) -> None:
    reading = os.open(tmp_path / "f", os.O_RDONLY)
    ahead.grow(reading, 5 * MB, 100 * MB)
    os.close(reading)
    assert os.fstat(file).st_size == 1000


def values(seed: int, size: int) -> pa.RecordBatch:
    return records([(seed * 1000 + i, b"k", bytes([seed]) * 1000) for i in range(size // 1000)])


def test_large_transactions_find_the_file_grown_and_it_stays_about_as_large_as_what_it_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grown: list[int] = []
    grow = ahead.grow

    def noted(file: int, end: int, room: int) -> None:
        grown.append(end)
        grow(file, end, room)

    monkeypatch.setattr(ahead, "grow", noted)
    path = tmp_path / "log"
    log = open_log(path)
    log.create_topic("t", 1, TopicConfig(retention_ms=None))
    log.append(Append("t", 0, values(1, 1000)))
    assert not grown, "a small transaction looks no further"
    for seed in range(2, 6):
        log.append(Append("t", 0, values(seed, 8 * MB)))
    assert len(grown) == 4
    size = (path / DATA_FILE).stat().st_size
    assert size >= grown[-1] > 4 * 8 * MB
    assert size < 6 * 8 * MB
    log.delete_topic("t")  # its pages are free: the next transactions use them, and the file need not grow any more
    log.create_topic("t", 1, TopicConfig(retention_ms=None))
    for seed in range(4):
        log.append(Append("t", 0, values(seed, 8 * MB)))
    assert (path / DATA_FILE).stat().st_size < 7 * 8 * MB
    log.close()
    again = open_log(path)
    batch = again.read("t", 0, 0, max_records=10**6, max_bytes=1 << 30)
    assert [value[:1] for value in batch["value"].to_pylist()] == [bytes([seed]) for seed in range(4) for _ in range(8 * MB // 1000)]
    again.close()


def test_a_transaction_that_is_undone_leaves_the_count_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grown: list[int] = []
    monkeypatch.setattr(ahead, "grow", lambda file, end, room: grown.append(end))
    log = open_log(tmp_path / "log")
    log.create_topic("t", 1, TopicConfig(retention_ms=None))
    with contextlib.suppress(ZeroDivisionError), log.begin() as transaction:
        transaction.append(Append("t", 0, values(1, 8 * MB)))
        raise ZeroDivisionError
    log.append(Append("t", 0, values(2, 8 * MB)))
    log.append(Append("t", 0, values(3, 1000)))
    assert len(grown) == 1
    log.close()
