"""Tables of state against a dict: whatever is written, undone and reopened, every kind of read gives what a dict would."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from penstock.engine import keys as keys_module
from penstock.engine import table as table_module
from penstock.engine.cycle_state import CycleState
from penstock.engine.keys import Keys, hashed
from penstock.engine.rows import RowCodec
from penstock.engine.table import FEW, Directory, Table, in_key_order
from penstock.log import open_log
from penstock.log.protocol import Log
from penstock.sql.types import BIGINT, STRING, Array

TYPES = [BIGINT, STRING, Array(STRING)]
Row = tuple[int | None, str | None, list[str] | None]
Held = dict[bytes, Row]


class Undone(Exception):
    """A cycle fails."""


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds so low that a few hundred rows are remembered, made into runs, merged, frozen, absorbed and cut."""
    for name, value in {"FEW": 8, "MEMORY_ROWS": 20, "RUNS_MAX": 3, "ABSORB_ROWS": 60, "PIECE_ROWS": 16, "RUN_PIECE_ROWS": 10}.items():
        monkeypatch.setattr(table_module, name, value)


@pytest.fixture(params=["good hashes", "bad hashes"])
def hashes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with hashes that many keys share."""
    if request.param == "bad hashes":
        monkeypatch.setattr(keys_module, "hashed", lambda keys: hashed(keys) % np.uint64(5) << np.uint64(40))


def columns(rows: list[Row]) -> list[pa.Array]:
    return [pa.array([row[i] for row in rows], t) for i, t in enumerate((pa.int64(), pa.string(), pa.list_(pa.string())))]


def rows_of(found: list[pa.Array]) -> list[Row]:
    return list(zip(*(column.to_pylist() for column in found), strict=True))


def keys_of(keys: list[bytes], prefix_bytes: int) -> tuple[Keys, np.ndarray]:
    """The keys in order, and which one each is."""
    prefixes = sorted({key[:prefix_bytes] for key in keys})
    groups = np.array([prefixes.index(key[:prefix_bytes]) for key in keys], np.int64) if prefix_bytes else None
    return Keys.sorted(pa.array([key[prefix_bytes:] for key in keys], pa.binary()), prefixes if prefix_bytes else (b"",), groups)


def put(table: Table, items: Held) -> None:
    keys, order = keys_of(list(items), table.prefix_bytes)
    rows = list(items.values())
    table.put(keys, columns([rows[i] for i in order.tolist()]))


def check(table: Table, held: Held, asked: list[bytes], rng: random.Random) -> None:
    """Every kind of read."""
    keys, order = keys_of(asked, table.prefix_bytes)
    there, found = table.lookup(keys)
    expected = [held.get(asked[i]) for i in order.tolist()]
    assert there.tolist() == [row is not None for row in expected]
    assert rows_of(found) == [row or (None, None, None) for row in expected]
    assert table.lookup(keys, [1])[1][0].to_pylist() == [row[1] if row else None for row in expected]
    assert items_of(*table.scan()) == sorted_items(held)
    assert sorted(table.scan(columns=())[0].to_list()) == sorted(held)
    if table.prefix_bytes:
        start, end = sorted(bytes([rng.randrange(6), rng.randrange(256)]) for _ in range(2))
        within = {key: row for key, row in held.items() if start <= key[:2] < end}
        assert items_of(*table.scan(start, end)) == sorted_items(within)
        assert set(table.prefixes()) >= {key[:2] for key in held}
    assert not table.holds_at_most(len(held) - 1)
    assert table.holds_at_most(1_000_000)


def items_of(keys: Keys, found: list[pa.Array]) -> list[tuple[bytes, Row]]:
    """What a scan found, in the order of the keys' bytes."""
    items = list(zip(keys.to_list(), rows_of(found), strict=True))
    return [items[number] for number in in_key_order(keys).to_pylist()]


def sorted_items(held: Held) -> list[tuple[bytes, Row]]:
    return sorted(held.items(), key=lambda item: item[0])


def a_key(rng: random.Random, prefix_bytes: int) -> bytes:
    prefix = bytes([rng.randrange(6), 7])[:prefix_bytes]
    return prefix + b"key" * rng.randrange(3) + str(rng.randrange(60)).encode() + b"\0" * rng.randrange(2)


def a_row(rng: random.Random) -> Row:
    return (
        rng.choice([None, rng.randrange(1 << 40)]),
        rng.choice([None, "", "ä" * rng.randrange(5)]),
        rng.choice([None, [], ["x" * rng.randrange(4), "y"]]),
    )


def a_change(rng: random.Random, table: Table, held: Held) -> None:
    """Put or delete few or many keys, here and in the dict."""
    keys = list({a_key(rng, table.prefix_bytes) for _ in range(rng.choice([1, 3, 6, 15, 40]))})
    if rng.random() < 0.3:
        table.delete(keys_of(keys, table.prefix_bytes)[0])
        for key in keys:
            held.pop(key, None)
    elif rng.random() < 0.05:
        table.delete(table.scan(columns=())[0])
        held.clear()
    else:
        items = {key: a_row(rng) for key in keys}
        put(table, items)
        held.update(items)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.mark.parametrize(("seed", "prefix_bytes"), [(1, 0), (2, 2)])
@pytest.mark.usefixtures("small", "hashes")
def test_a_table_is_a_dict_that_stays(folder: Path, seed: int, prefix_bytes: int) -> None:
    """Cycles that commit and cycles that fail, the folder opened anew now and then, a second reader beside: the table is the dict."""
    rng = random.Random(seed)
    held: Held = {}
    seen: set[str] = set()
    undone = False
    log: Log = open_log(folder)
    try:
        for _ in range(80):
            if rng.random() < 0.1:
                log.close()
                log = open_log(folder)
            changed = dict(held)
            with suppress(Undone), CycleState(log) as state:
                table = Table(state.store("t"), RowCodec(TYPES), prefix_bytes)
                for _ in range(rng.randrange(1, 4)):
                    a_change(rng, table, changed)
                    check(table, changed, list({a_key(rng, prefix_bytes) for _ in range(rng.choice([1, 5, 50]))}), rng)
                undone = rng.random() < 0.2
                if undone:
                    raise Undone
            held = held if undone else changed
            with closing(open_log(folder, read_only=True)) as reader, reader.snapshot() as snapshot:
                table = Table(snapshot.state("t"), RowCodec(TYPES), prefix_bytes)
                check(table, held, [a_key(rng, prefix_bytes)], rng)
                directory = table.directory()
                seen |= {name for name in ("written", "recent", "frozen", "base") if getattr(directory, name)}
                seen |= {"pieces"} if len(directory.base) > 1 else set()
                seen |= {"pieces of a run"} if any(len(run) > 1 for run in directory.recent) else set()
                stored = {key for key, _ in snapshot.state("t").scan() if not key.startswith(b"m")}
                whole = {b"r" + number.to_bytes(8, "big") for number in directory.stored}
                heads = {b"h" + n.to_bytes(8, "big") for n, entry in directory.stored.items() if entry.prefixed}
                assert stored <= whole | heads | {b"d"}, "what is merged away is removed"
    finally:
        log.close()
    assert seen == {"written", "recent", "frozen", "base", "pieces", "pieces of a run"}, "the test has seen every state that a table can be in"


@pytest.fixture
def log() -> Iterator[Log]:
    with closing(open_log(None)) as log:
        yield log


@pytest.mark.usefixtures("small")
def test_a_cleared_table_is_empty_and_can_be_written_again(log: Log) -> None:
    with log.begin() as transaction:
        store = transaction.state("t")
        for number in range(30):
            put(Table(store, RowCodec(TYPES)), {b"%d" % key: (number, None, None) for key in range(number, number + 30)})
        store.clear()
        table = Table(store, RowCodec(TYPES))
        assert table.scan()[0].to_list() == []
        put(table, {b"a": (1, "x", [])})
    with log.snapshot() as snapshot:
        assert items_of(*Table(snapshot.state("t"), RowCodec(TYPES)).scan()) == [(b"a", (1, "x", []))]


def test_rows_without_columns_are_remembered_and_deleted(log: Log) -> None:
    """A key alone can be a row."""
    with log.begin() as transaction:
        table = Table(transaction.state("t"), RowCodec([]))
        for count in (3, 10_000):
            keys, _ = Keys.of([b"%d" % number for number in range(count)])
            table.put(keys, [])
            assert table.lookup(keys)[0].all()
        table.delete(Keys.of([b"1", b"2"])[0])
        assert table.lookup(Keys.of([b"1", b"2", b"3"])[0])[0].sum() == 1
        assert len(table.scan()[0]) == 9_998


@pytest.mark.usefixtures("small")
def test_runs_stay_few_and_the_base_holds_a_key_once(log: Log) -> None:
    """However long the same keys are written, what is stored stays within a small multiple of them."""
    rng = random.Random(5)
    for _ in range(200):
        with log.begin() as transaction:
            put(Table(transaction.state("t"), RowCodec(TYPES)), {b"%d" % rng.randrange(300): a_row(rng) for _ in range(40)})
    with log.snapshot() as snapshot:
        directory: Directory = Table(snapshot.state("t"), RowCodec(TYPES)).directory()
    assert sum(piece.run.rows for piece in directory.base) <= 300
    assert all(piece.run.rows <= 16 for piece in directory.base)
    assert sum(entry.rows for entry in directory.stored.values()) < 3 * 300 + 3 * 60
    runs = directory.recent + directory.frozen
    assert len(runs) <= 12
    assert all(piece.run.rows <= 10 for run in runs for piece in run)
    assert any(len(run) > 3 for run in runs)


def test_hashes_never_change() -> None:
    """They are stored: other hashes would not find what was written before."""
    keys = pa.array([b"", b"a", b"a\0", b"12345678", b"123456789", b"x" * 400], pa.binary())
    assert hashed(keys).tolist() == HASHES
    assert hashed(keys.slice(2, 3)).tolist() == HASHES[2:5]
    assert hashed(pa.array([b"ignored", *keys.to_pylist()], pa.binary()).slice(1)).tolist() == HASHES


HASHES = [0, 10595375303578692878, 13888502392631837134, 2228998072362547330, 2613206964581427065, 18026519799848535136]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.usefixtures("small", "hashes")
def test_what_is_forgotten_by_range_is_gone_from_everywhere(log: Log, seed: int) -> None:
    """Windows of two partitions that go forward and are forgotten behind, at different times: the table is the dict, and stays small."""
    rng = random.Random(seed)
    held: Held = {}
    seen: set[str] = set()
    first, most = [0, 0], 0
    for step in range(120):
        for partition in (0, 1) if rng.random() < 0.9 else (0,):
            with CycleState(log) as state:
                table = Table(state.store("t"), RowCodec(TYPES), 2)
                windows = range(first[partition], max(step // 4 + 1, first[partition] + 1))
                keys = {bytes([partition, rng.choice(windows)]) + b"%d" % rng.randrange(20) for _ in range(rng.choice([1, 5, 30, 60]))}
                put(table, items := {key: a_row(rng) for key in keys})
                held |= items
                if rng.random() < 0.3:
                    first[partition] = max(first[partition], step // 4 - rng.randrange(2, 5))
                    table.forget(bytes([partition, 0]), bytes([partition, first[partition]]))
                    held = {key: row for key, row in held.items() if key[0] != partition or key[1] >= first[partition]}
        with log.snapshot() as snapshot:
            table = Table(snapshot.state("t"), RowCodec(TYPES), 2)
            asked = [bytes([p, w]) + b"%d" % n for p in (0, 1) for w in range(first[p], step // 4 + 2) for n in range(20)]
            check(table, held, rng.sample(asked, 30), rng)
            assert all(prefix[1] >= first[prefix[0]] for prefix in table.prefixes())
            directory = table.directory()
            seen |= {name for name in ("written", "recent", "frozen", "base", "forgotten") if getattr(directory, name)}
            most = max(most, sum(entry.rows for entry in directory.stored.values()))
    assert seen == {"written", "recent", "frozen", "base", "forgotten"}
    assert most < 1_200, "two partitions have some five windows of 20 keys"


def test_a_range_is_forgotten_at_the_cost_of_a_note(log: Log) -> None:
    """Whatever it holds: nothing is written for its rows, and what held them alone is removed."""
    with log.begin() as transaction:
        for window in range(3):
            keys, _ = keys_of([bytes([0, window]) + b"%d" % n for n in range(FEW)], 2)
            Table(transaction.state("t"), RowCodec([]), 2).put(keys, [])
    with log.begin() as transaction:
        store = transaction.state("t")
        before = store.count()
        Table(store, RowCodec([]), 2).forget(b"\0\0", b"\0\2")
        assert store.count() == before - 4, "two runs, each a body and a head"
        assert len(Table(store, RowCodec([]), 2).scan()[0]) == FEW
        Table(store, RowCodec([]), 2).forget(b"\0\0", b"\0\3")
        assert store.count() == 1
        assert Table(store, RowCodec([]), 2).directory().forgotten == {}
