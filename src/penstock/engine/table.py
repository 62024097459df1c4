"""A table of state: a row of typed columns under each key, however many there are.

It is a log-structured merge tree inside one state store, so that all of it belongs to the cycle's one transaction, and to a snapshot:

- few rows are put one by one under their keys, as the store would (the memory, which is what is newest);
- many rows, or what the memory has grown to, become a run: one value, written in one piece, which costs a row a twentieth of what a place of
  its own would. Runs of like size are merged, so that there are never many of them;
- when the runs hold enough rows they are frozen, and then absorbed by the base, piece by piece as further rows are written. The base holds a
  key once, in pieces that are small enough to be merged in memory.

Runs and the base are layers: pieces of rising keys that do not overlap. A key is looked for in the memory, and then in each layer, from the
newest run to the base, in the one piece where it would be.

Whole ranges of prefixes are forgotten at once, whatever they hold: a range is noted, runs that hold nothing else are dropped, and the others leave
its rows behind when they are next merged.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from penstock.engine.keys import NO_KEYS, Flags, Keys, Numbers
from penstock.engine.rows import RowCodec
from penstock.engine.runs import Run, cut, merged
from penstock.engine.state import beyond
from penstock.sql.types import arrow_type

if TYPE_CHECKING:
    from penstock.log.protocol import Buffer, StateStore

FEW = 4_096
"""A write of fewer rows goes to the memory."""
MEMORY_ROWS = 16_384
"""So many rows put into the memory become a run."""
RUNS_MAX = 8
"""So many runs of like size become one."""
LIKE = 4
"""Runs are of like size where one has less than so many times the rows of another."""
ABSORB_ROWS = 2_000_000
"""The base absorbs the runs when they hold so many rows, and half of its own."""
PIECE_ROWS = 500_000
"""A piece of the base with more rows is cut."""
RUN_PIECE_ROWS = 200_000
"""And one of a new run, so that it is made and stored in the memory of the one before."""

MEMORY, BODY, HEAD, DIRECTORY = b"m", b"r", b"h", b"d"
AFTER_MEMORY = b"n"


class Entry(msgspec.Struct, array_like=True):
    """A stored run. `rows` 0 says that nothing is stored; `gone`: some rows are deleted ones; `prefixed`: it has a head."""

    id: int
    rows: int
    gone: bool = False
    prefixed: bool = False


class Piece(msgspec.Struct, array_like=True):
    """A piece of a layer: the keys from `prefix` and `hash` on up to the next one's. `absorbed`: one of the base holds what is frozen."""

    run: Entry
    prefix: bytes = b""
    hash: int = 0
    absorbed: bool = False

    @property
    def low(self) -> tuple[bytes, int]:
        """Where it begins."""
        return self.prefix, self.hash


Layer = list[Piece]


def rows_of(layer: Layer) -> int:
    """How many rows a layer has."""
    return sum(piece.run.rows for piece in layer)


def high(layer: Layer, number: int) -> tuple[bytes, int] | None:
    """Where the piece of a number ends; None for the last."""
    return layer[number + 1].low if number + 1 < len(layer) else None


class Directory(msgspec.Struct, array_like=True):
    """What is stored. `written`: rows put into the memory since it was last counted; `recent` and `frozen`: runs, the oldest first;
    `forgotten`: ranges of prefixes, first -> the one after the last, whose rows in layers are there no more."""

    next_id: int = 0
    written: int = 0
    recent: list[Layer] = []
    frozen: list[Layer] = []
    base: Layer = []
    forgotten: dict[bytes, bytes] = {}

    @property
    def layers(self) -> list[Layer]:
        """The runs, the newest first, and the base."""
        return [*reversed(self.recent), *reversed(self.frozen), self.base]

    @property
    def stored(self) -> dict[int, Entry]:
        """All that is stored, by id."""
        return {piece.run.id: piece.run for layer in self.layers for piece in layer if piece.run.rows}

    def alive(self, run: Run) -> Run:
        """The run without what is forgotten."""
        for low, high in self.forgotten.items():
            run = run.without(low, high)
        return run


@dataclass
class Collector:
    """Rows found in several places, on their way to be columns. `where`: the number of each wanted row among the found, -1 while not found."""

    rows: int
    types: list[pa.DataType]
    done: Flags = field(init=False)
    where: Numbers = field(init=False)
    parts: list[list[pa.Array]] = field(default_factory=list)
    count: int = 0

    def __post_init__(self) -> None:
        self.done, self.where = np.zeros(self.rows, bool), np.full(self.rows, -1, np.int64)

    def add(self, run: Run, found: Numbers, first: int = 0) -> None:
        """Take over rows of a run: `found` holds their numbers there, -1 for none, of the rows wanted from `first` on."""
        rows = np.flatnonzero(found >= 0)
        self.done[rows + first] = True
        if run.gone is not None:
            rows = rows[~run.gone[found[rows]]]
        if len(rows):
            index = pa.array(found[rows])
            self.where[rows + first] = np.arange(self.count, self.count + len(rows))
            self.parts.append([column.take(index) for column in run.columns])
            self.count += len(rows)

    def columns(self) -> list[pa.Array]:
        """The rows as they were wanted, NULL where there is none."""
        if not self.count:
            return [pa.nulls(self.rows, type_) for type_ in self.types]
        missing = self.where < 0
        whole = [pa.concat_arrays(list(parts)) for parts in zip(*self.parts, strict=True)]
        if not missing.any() and len(self.parts) == 1:
            return whole
        index = pa.array(self.where, mask=missing)
        return [column.take(index) for column in whole]


class Table:
    """A table of state inside one cycle or snapshot. The first `prefix_bytes` bytes of a key are its prefix."""

    def __init__(self, store: StateStore, codec: RowCodec, prefix_bytes: int = 0) -> None:
        self.store = store
        self.codec = codec
        self.prefix_bytes = prefix_bytes
        self.types = [arrow_type(t) for t in codec.types]
        self.buried = b"" if codec.types else b"\0"  # what the memory holds for a deleted row: no row is stored so

    # ------------------------------------------------------------------------------------------ reading

    def lookup(self, keys: Keys, columns: Sequence[int] | None = None) -> tuple[Flags, list[pa.Array]]:
        """For each key whether it is there, and its row (NULL where it is not), of all columns or of these."""
        wanted = range(len(self.types)) if columns is None else columns
        directory = self.directory()
        found = Collector(len(keys), [self.types[i] for i in wanted])
        if directory.written:
            run, places = self.remembered(keys)
            found.add(run.only(wanted), places)
        for layer in directory.layers:
            for number, piece in enumerate(layer):
                after = high(layer, number)
                low, end = keys.place(*piece.low), len(keys) if after is None else keys.place(*after)
                done = found.done[low:end]
                if low < end and piece.run.rows and not done.all():
                    run = self.load(piece.run).only(wanted)
                    found.add(run, run.keys.find(keys.slice(low, end), ~done if done.any() else None), low)
        return found.where >= 0, found.columns()

    def scan(self, start: bytes = b"", end: bytes | None = None, columns: Sequence[int] | None = None) -> tuple[Keys, list[pa.Array]]:
        """The rows whose prefixes are from `start` on and before `end`, in the order of runs, of all columns or of these."""
        wanted = range(len(self.types)) if columns is None else columns
        low, last = (start, 0), None if end is None else (end, 0)
        directory = self.directory()
        runs = [self.remembered_within(start, end)] if directory.written else []
        for layer in directory.layers:
            pieces = (p for i, p in enumerate(layer) if (last is None or p.low < last) and ((after := high(layer, i)) is None or low < after))
            runs += [self.load(piece.run).within(low, last) for piece in pieces]
        found = merged([directory.alive(run.only(wanted)) for run in runs] or [self.empty().only(wanted)], keep_gone=False)
        return found.keys, found.columns

    def prefixes(self) -> list[bytes]:
        """The prefixes of the rows, and of some that are deleted."""
        directory = self.directory()
        found = {prefix for entry in directory.stored.values() for prefix in directory.alive(self.load(entry)).keys.prefixes}
        at = MEMORY
        while (item := next(self.store.scan(at, AFTER_MEMORY), None)) is not None:
            prefix = item[0][1 : 1 + self.prefix_bytes]
            found.add(prefix)
            at = beyond(MEMORY + prefix)
        return sorted(found)

    def holds_at_most(self, most: int) -> bool:
        """Whether there are surely no more rows than that; quick, and False where one had to count."""
        directory = self.directory()
        rows = sum(entry.rows for entry in directory.stored.values())
        return rows <= most and (not directory.written or rows + sum(1 for _ in islice(self.memory(), most + 1)) <= most)

    # ------------------------------------------------------------------------------------------ writing

    def put(self, keys: Keys, columns: Sequence[pa.Array]) -> None:
        """Store a row of the columns, which are in the order of the keys, under each. No key occurs twice."""
        self.write(Run(keys, list(columns)))

    def delete(self, keys: Keys) -> None:
        """Remove the rows of these keys, of which none occurs twice."""
        directory = self.directory()
        if directory.stored:
            self.write(Run(keys, [pa.nulls(len(keys), type_) for type_ in self.types], np.ones(len(keys), bool)))
        elif directory.written:
            self.store.delete_many([MEMORY + key for key in keys.to_list()])

    def forget(self, start: bytes, end: bytes) -> None:
        """Remove all rows whose prefixes are from `start` on and before `end`. None of them may be asked for or stored again."""
        directory = self.directory()
        held = {id_: self.load(entry) for id_, entry in directory.stored.items()}
        if held:
            directory.forgotten[start] = end
            dead = {id_ for id_, run in held.items() if not len(directory.alive(run))}
            for layer in directory.layers:
                for piece in layer:
                    piece.run = Entry(-1, 0) if piece.run.id in dead else piece.run
            directory.recent, directory.frozen = ([layer for layer in part if rows_of(layer)] for part in (directory.recent, directory.frozen))
            if dead == held.keys():
                directory.forgotten.clear()
            self.store.put_many([(DIRECTORY, msgspec.msgpack.encode(directory))])
            self.store.delete_many([kind + id_.to_bytes(8, "big") for kind in (HEAD, BODY) for id_ in sorted(dead)])
        if directory.written:
            self.store.delete_range(MEMORY + start, MEMORY + end)

    def write(self, run: Run) -> None:
        """Write new rows, and what there is to do about older ones."""
        if not len(run):
            return
        directory = self.directory()
        if len(run) < FEW:
            self.remember(run)
            directory.written += len(run)
            if directory.written <= MEMORY_ROWS:
                self.store.put_many([(DIRECTORY, msgspec.msgpack.encode(directory))])
                return
            run = self.remembered_within()
            if len(run) < FEW:  # the same rows again and again
                directory.written = len(run)
                self.store.put_many([(DIRECTORY, msgspec.msgpack.encode(directory))])
                return
        elif directory.written:
            run = merged([run, self.remembered_within()], keep_gone=True)
        Growth(self, directory).add(run)

    # ------------------------------------------------------------------------------------------ what is stored

    def directory(self) -> Directory:
        """What the store holds."""
        (raw,) = self.store.get_many([DIRECTORY])
        return Directory() if raw is None else DECODER.decode(raw)

    def empty(self) -> Run:
        """No rows."""
        return Run(NO_KEYS, [pa.array([], type_) for type_ in self.types])

    def load(self, entry: Entry) -> Run:
        """A stored run, in the memory of the store: to be read before anything is written."""
        if not entry.rows:
            return self.empty()
        name = entry.id.to_bytes(8, "big")
        body = self.store.borrow(BODY + name)
        assert body is not None
        head = self.store.borrow(HEAD + name) if entry.prefixed else None
        return Run.read(body, head, self.codec.types, entry.rows, gone=entry.gone)

    def memory(self, start: bytes = b"", end: bytes | None = None) -> Iterator[tuple[bytes, bytes]]:
        """The rows of the memory whose prefixes are from `start` on and before `end`, as they are stored."""
        return self.store.scan(MEMORY + start, AFTER_MEMORY if end is None else MEMORY + end)

    def remember(self, run: Run) -> None:
        """Put rows into the memory."""
        rows = self.codec.encode(run.columns) if run.columns else [b""] * len(run)
        if run.gone is not None:
            rows = [self.buried if gone else row for row, gone in zip(rows, run.gone.tolist(), strict=True)]
        self.store.put_many(zip((MEMORY + key for key in run.keys.to_list()), rows, strict=True))

    def remembered(self, keys: Keys) -> tuple[Run, Numbers]:
        """Rows of the memory, and the number there of each key, -1 where it has none."""
        if len(keys) >= FEW:
            run = self.remembered_within()
            return run, run.keys.find(keys)
        rows = self.store.get_many([MEMORY + key for key in keys.to_list()])
        there = np.array([row is not None for row in rows], bool)
        run = self.unpacked(keys.take(np.flatnonzero(there)), [row for row in rows if row is not None])
        return run, np.where(there, np.cumsum(there) - 1, -1)

    def remembered_within(self, start: bytes = b"", end: bytes | None = None) -> Run:
        """The rows of the memory whose prefixes are from `start` on and before `end`."""
        items = list(self.memory(start, end))
        if not items:
            return self.empty()
        at = 1 + self.prefix_bytes
        rests = pa.array([key[at:] for key, _ in items], pa.binary())
        prefixes = [key[1:at] for key, _ in items]
        known = sorted(set(prefixes))
        number = {prefix: i for i, prefix in enumerate(known)}
        keys, order = Keys.sorted(rests, known, None if len(known) == 1 else np.array([number[prefix] for prefix in prefixes]))
        return self.unpacked(keys, [items[i][1] for i in order.tolist()])

    def unpacked(self, keys: Keys, rows: list[bytes]) -> Run:
        """Rows of the memory as a run."""
        gone = np.array([row == self.buried for row in rows], bool)
        columns = self.codec.decode([None if row == self.buried else row for row in rows])
        return Run(keys, columns, gone if gone.any() else None)


DECODER = msgspec.msgpack.Decoder(Directory)


class Growth:
    """A table's next state while a run is added to it: everything is read and made first, and then written."""

    def __init__(self, table: Table, directory: Directory) -> None:
        self.table = table
        self.directory = directory
        self.before = directory.stored
        self.fresh: dict[int, Run] = {}

    def add(self, run: Run) -> None:
        """Add the newest rows, which the memory's are among, as a run."""
        directory = self.directory
        memory = [key for key, _ in self.table.memory()] if directory.written else []
        directory.written = 0
        if run.gone is not None and not self.before:
            run = merged([run], keep_gone=False)
        directory.recent.append(self.layer(run))
        while (alike := self.alike()) > 1:
            chosen = directory.recent[-alike:]
            all_ = alike == len(directory.recent) and not directory.frozen and not directory.base
            together = merged(self.alive(reversed(chosen)), keep_gone=not all_)
            directory.recent[-alike:] = [self.layer(together)]
        self.absorb(len(run))
        directory.recent = [layer for layer in directory.recent if rows_of(layer)]
        self.write(memory)

    def layer(self, run: Run) -> Layer:
        """A new run's layer."""
        return self.pieces(cut(run, RUN_PIECE_ROWS), (b"", 0))

    def pieces(self, runs: Sequence[Run], low: tuple[bytes, int], *, absorbed: bool = False) -> Layer:
        """New pieces of a layer, which begins at `low`."""
        lows = [low, *((run.keys.prefixes[0], int(run.keys.hashes[0])) for run in runs[1:])]
        return [Piece(self.enter(run), *at, absorbed=absorbed) for run, at in zip(runs, lows, strict=True)]

    def alive(self, layers: Iterable[Layer]) -> list[Run]:
        """The pieces of layers, without what is forgotten."""
        return [self.directory.alive(self.load(piece.run)) for layer in layers for piece in layer]

    def alike(self) -> int:
        """How many of the newest runs are to be merged: the first time that RUNS_MAX of them are of at most some size; else 0."""
        sizes = [rows_of(layer) for layer in reversed(self.directory.recent)]
        limit = FEW * LIKE
        while True:
            count = next((i for i, rows in enumerate(sizes) if rows >= limit), len(sizes))
            if count >= RUNS_MAX:
                return count
            if count == len(sizes):
                return 0
            limit *= LIKE

    def absorb(self, written: int) -> None:
        """Merge what is frozen into some pieces of the base: as many as it takes to be done before the next rows are to be frozen."""
        directory = self.directory
        enough = max(ABSORB_ROWS, rows_of(directory.base) // 2)
        if not directory.frozen:
            if sum(map(rows_of, directory.recent)) < enough:
                return
            directory.frozen, directory.recent = [layer for layer in directory.recent if rows_of(layer)], []
            directory.base = directory.base or [Piece(Entry(-1, 0))]
            for piece in directory.base:
                piece.absorbed = False
        frozen = self.alive(reversed(directory.frozen))
        share = -(-2 * len(directory.base) * written // enough)
        for number in [i for i, piece in enumerate(directory.base) if not piece.absorbed][:share][::-1]:
            directory.base[number : number + 1] = self.absorbed(number, frozen)
        if all(piece.absorbed for piece in directory.base):
            directory.frozen = []

    def absorbed(self, number: int, frozen: list[Run]) -> list[Piece]:
        """The pieces that stand for one of the base when it has taken the frozen rows of its keys."""
        piece, end = self.directory.base[number], high(self.directory.base, number)
        whole = merged([*(run.within(piece.low, end) for run in frozen), self.directory.alive(self.load(piece.run))], keep_gone=False)
        if not len(whole) and number:
            return []  # the piece before now reaches to the next one
        return self.pieces(cut(whole, PIECE_ROWS), piece.low, absorbed=True)

    def enter(self, run: Run) -> Entry:
        """A new run's entry; it is written if it is still there at the end."""
        if not len(run):
            return Entry(-1, 0)
        entry = Entry(self.directory.next_id, len(run), run.gone is not None, run.prefixed)
        self.directory.next_id += 1
        self.fresh[entry.id] = run
        return entry

    def load(self, entry: Entry) -> Run:
        """A run, new or stored."""
        return self.fresh[entry.id] if entry.id in self.fresh else self.table.load(entry)

    def write(self, memory: list[bytes]) -> None:
        """Store it all."""
        stored = self.directory.stored
        dead = [number.to_bytes(8, "big") for number in self.before if number not in stored]
        self.table.store.delete_many([*memory, *(BODY + name for name in dead), *(HEAD + name for name in dead)])
        self.table.store.put_many(self.values(sorted(self.fresh.keys() & stored.keys())))

    def values(self, numbers: Sequence[int]) -> Iterator[tuple[bytes, Buffer]]:
        """What is to be stored, one after the other: a piece's body takes the memory of the one before."""
        yield DIRECTORY, msgspec.msgpack.encode(self.directory)
        for number in numbers:
            run, name = self.fresh[number], number.to_bytes(8, "big")
            yield BODY + name, run.body()
            if run.prefixed:
                yield HEAD + name, run.head()


def in_key_order(keys: Keys) -> pa.Array:
    """The numbers of keys, in the order of their bytes: prefixes stay where they are."""
    return pc.sort_indices(pa.table({"group": keys.groups, "rest": keys.rest}), [("group", "ascending"), ("rest", "ascending")])
