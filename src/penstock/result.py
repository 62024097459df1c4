"""What statements answer: results, rows, and the queries that go on."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from penstock.errors import Error
from penstock.sql.types import Array, Map, SqlType, Struct

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow as pa

    from penstock.engine.task import Task


class Row(tuple[Any, ...]):
    """A row: a tuple whose values can also be had by column name, `row["MESSAGE"]`, and as a dict, `row.as_dict()`. `deleted`: a push query's table
    has lost it; its key is there, and all else is None."""

    columns: tuple[str, ...]
    deleted: bool = False

    def __new__(cls, values: Sequence[Any], columns: tuple[str, ...]) -> Row:
        row = super().__new__(cls, values)
        row.columns = columns
        return row

    def __getitem__(self, at: Any) -> Any:
        if isinstance(at, str):
            try:
                return tuple.__getitem__(self, self.columns.index(at if at in self.columns else at.upper()))
            except ValueError:
                raise KeyError(at) from None
        return tuple.__getitem__(self, at)

    def as_dict(self) -> dict[str, Any]:
        """The values by column name."""
        return dict(zip(self.columns, self, strict=True))


@dataclass(frozen=True)
class Result:
    """What one statement answers: a `message`, or `rows` under `columns`. `done` is False where IF EXISTS or IF NOT EXISTS left nothing to do for a
    connector."""

    message: str = ""
    columns: tuple[str, ...] = ()
    rows: list[tuple[Any, ...]] = field(default_factory=list)
    done: bool = True


NESTED = (Array, Map, Struct)


def plain(value: Any, type_: SqlType) -> Any:
    """A value as Python has it: a MAP and a STRUCT are dicts, but a MAP whose keys are no scalars, which have no hash, is a list of pairs."""
    if value is None:
        return None
    match type_:
        case Array(item):
            return [plain(v, item) for v in value]
        case Map(key, item):
            pairs = value.items() if isinstance(value, dict) else value
            found = [(plain(k, key), plain(v, item)) for k, v in pairs]
            return found if isinstance(key, NESTED) else dict(found)
        case Struct(fields):
            return {f.name: plain(value[f.name], f.type) for f in fields}
    return value


def plain_columns(table: pa.Table, types: Sequence[SqlType]) -> list[list[Any]]:
    """A table's columns as lists of plain values."""
    lists = (c.to_pylist(maps_as_pydicts="strict" if scalar_keys(t) else None) for c, t in zip(table.columns, types, strict=True))
    return [[plain(v, t) for v in values] if isinstance(t, NESTED) else values for values, t in zip(lists, types, strict=True)]


def scalar_keys(type_: SqlType) -> bool:
    """Whether every MAP in a type has keys that Python can look up."""
    match type_:
        case Array(item):
            return scalar_keys(item)
        case Map(key, item):
            return not isinstance(key, NESTED) and scalar_keys(item)
        case Struct(fields):
            return all(scalar_keys(f.type) for f in fields)
    return True


class Query:
    """A running or answered SELECT.

    A pull query has its whole answer: `fetchall`, `fetchone`, `arrow`, `pl`, `df`. A push query is iterated, row by row as they come,
    and ends at its LIMIT, after `timeout` seconds without a row, or with `close`.
    """

    def __init__(
        self, columns: Sequence[str], types: Sequence[SqlType], *, schema: str = "", key: Sequence[str] = (), timeout: float | None = None
    ) -> None:
        self.columns = tuple(columns)
        self.types = tuple(types)
        self.schema = schema
        self.key = tuple(key)
        """Of the columns those that are the key of a table; none where the answer is no table's."""
        self.timeout = timeout
        self._rows: deque[Row] = deque()
        self._table: pa.Table | None = None
        self._task: Task | None = None
        self._watch: Callable[[int, float | None], int] | None = None
        self._version: Callable[[], int] = lambda: 0
        self._closed = False
        self._stepping = threading.RLock()
        """Held while the task is stepped or closed, so that `close` may come from any thread."""

    # ------------------------------------------------------------------------------------------ made by the database

    def answered(self, table: pa.Table) -> Query:
        """A pull query: this is the answer."""
        self._table = table
        self._rows.extend(Row(values, self.columns) for values in zip(*plain_columns(table, self.types), strict=True))
        return self

    def fed(self, task: Task, version: Callable[[], int], watch: Callable[[int, float | None], int]) -> Query:
        """A push query: its task is stepped by whoever reads it."""
        self._task, self._version, self._watch = task, version, watch
        return self

    def deliver(self, table: pa.Table, deleted: Sequence[int] = ()) -> None:
        """More rows of a push query; `deleted` are the numbers of those that a table has lost."""
        rows = [Row(values, self.columns) for values in zip(*plain_columns(table, self.types), strict=True)]
        for number in deleted:
            rows[number].deleted = True
        self._rows.extend(rows)

    # ------------------------------------------------------------------------------------------ reading

    def __iter__(self) -> Iterator[Row]:
        while True:
            while self._rows:
                yield self._rows.popleft()
            if self._task is None or self._closed or not self._more():
                return

    def _more(self) -> bool:
        """Wait for another row of a push query; False where there will be none."""
        assert self._watch is not None
        deadline = None if self.timeout is None else time.monotonic() + self.timeout
        while not self._rows:
            version = self._version()
            with self._stepping:
                if self._closed or self._task is None:
                    return False
                if self._task.step():
                    continue
                if self._task.finished:
                    self.close()
                    return bool(self._rows)
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return False
            self._watch(version, min(0.5, left) if left is not None else 0.5)
        return True

    @property
    def is_push(self) -> bool:
        """Whether this is a push query."""
        return self._watch is not None

    def advance(self) -> None:
        """Let a push query process what is in the log now."""
        with self._stepping:
            while self._task is not None and not self._task.finished and self._task.step():
                pass

    def take(self) -> list[Row]:
        """The next rows without waiting: those that one batch of what is in the log now gives. None of them: there are no more yet or, where it has
        `ended`, ever."""
        with self._stepping:
            while not self._rows and self._task is not None and not self._task.finished and self._task.step():
                pass
            if self._task is not None and self._task.finished:
                self.close()
            rows = list(self._rows)
            self._rows.clear()
            return rows

    @property
    def ended(self) -> bool:
        """Whether no more rows will come: those of a pull query are taken; a push query is closed, or at its LIMIT."""
        return not self._rows and self._task is None

    def drain(self) -> list[Row]:
        """The rows of a push query that follow from what is in the log now."""
        self.advance()
        rows = list(self._rows)
        self._rows.clear()
        return rows

    def fetchall(self) -> list[Row]:
        """All rows that are left. Of a push query without LIMIT or timeout this would never end, so it is refused."""
        return list(self)

    def fetchone(self) -> Row | None:
        """The next row, or None at the end."""
        return next(iter(self), None)

    def arrow(self) -> pa.Table:
        """The whole answer of a pull query as an Arrow table."""
        if self._table is None:
            raise Error("A push query has no whole answer.", mend="Iterate over it, or leave out EMIT CHANGES.")
        return self._table

    def pl(self) -> polars.DataFrame:
        """The whole answer as a Polars frame."""
        import polars

        return polars.DataFrame(polars.from_arrow(self.arrow()))

    def df(self) -> pandas.DataFrame:
        """The whole answer as a pandas frame (needs `penstock[pandas]`)."""
        return self.arrow().to_pandas()

    def close(self) -> None:
        """End a push query, from any thread: who iterates over it gets no more rows. Closing twice is no error."""
        self._closed = True
        with self._stepping:
            if self._task is not None:
                self._task.close()
                self._task = None

    def __enter__(self) -> Query:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
