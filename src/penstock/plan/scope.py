"""What names mean in a query: its sources with their aliases, and the columns that they bring."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from penstock.catalog.model import DataSource
from penstock.errors import Position, SqlError
from penstock.plan import expressions as ex
from penstock.plan.text import name_text
from penstock.sql.types import BIGINT, INTEGER, SqlType

PSEUDO_TYPES: dict[str, SqlType] = {"ROWTIME": BIGINT, "ROWPARTITION": INTEGER, "ROWOFFSET": BIGINT}
WINDOW_BOUNDS = ("WINDOWSTART", "WINDOWEND")
RESERVED = (*PSEUDO_TYPES, *WINDOW_BOUNDS)
"""The names of the pseudo columns, which no column of a source may have."""


def nearest(name: str, known: Iterable[str]) -> str:
    """"Did you mean A or B?" for a name that is not known; "" where none is near."""
    names = list(known)
    folded = {n.upper(): n for n in names}
    found = [folded[m] for m in difflib.get_close_matches(name.upper(), list(folded), 3, 0.6)]
    return f"Did you mean {' or '.join(name_text(n) for n in found)}?" if found else ""


@dataclass(frozen=True)
class ScopeColumn:
    """A column that an expression may name. `step_name` is its name in the step below: `ALIAS.NAME` in joins, else `NAME`."""

    name: str
    alias: str
    step_name: str
    type: SqlType
    key: bool = False
    pseudo: bool = False


def pseudo_columns(source: DataSource) -> tuple[str, ...]:
    """The names of a source's pseudo columns. One of its own columns (a key made by PARTITION BY ROWTIME) hides that of its name."""
    own = {c.name for c in source.schema.columns}
    return tuple(name for name in (*(WINDOW_BOUNDS if source.window else ()), *PSEUDO_TYPES) if name not in own)


@dataclass(frozen=True)
class ScopeSource:
    """A source under its alias. `prefix` is `ALIAS.` in joins, else empty."""

    alias: str
    source: DataSource
    prefix: str

    @property
    def columns(self) -> tuple[ScopeColumn, ...]:
        """Key columns, window bounds (of a windowed source), value columns, then the pseudo columns."""
        source = self.source

        def column(name: str, type_: SqlType, *, key: bool = False, pseudo: bool = False) -> ScopeColumn:
            return ScopeColumn(name, self.alias, self.prefix + name, type_, key, pseudo)

        keys = [column(c.name, c.type, key=True) for c in source.schema.key]
        pseudo = pseudo_columns(source)
        bounds = [column(name, BIGINT, pseudo=True) for name in pseudo if name in WINDOW_BOUNDS]
        values = [column(c.name, c.type) for c in source.schema.value]
        return (*keys, *bounds, *values, *(column(name, PSEUDO_TYPES[name], pseudo=True) for name in pseudo if name in PSEUDO_TYPES))


@dataclass(frozen=True)
class Scope:
    """The sources of a query and, beside their columns, `extra` ones that belong to none (the ROWKEY of a full join)."""

    sources: tuple[ScopeSource, ...]
    extra: tuple[ScopeColumn, ...] = ()

    @property
    def joined(self) -> bool:
        """Whether there is more than one source, so that columns carry prefixes."""
        return len(self.sources) > 1

    @property
    def columns(self) -> tuple[ScopeColumn, ...]:
        """All columns, source by source."""
        return (*self.extra, *(c for s in self.sources for c in s.columns))

    def source(self, alias: str, position: Position | None) -> ScopeSource:
        """The source of an alias. Raises SqlError."""
        for source in self.sources:
            if source.alias == alias:
                return source
        known = [s.alias for s in self.sources]
        mend = nearest(alias, known) or f"The query reads {', '.join(name_text(a) for a in known)}."
        raise SqlError(f"'{alias}' is not a valid stream/table name or alias.", mend=mend, position=position)

    def resolve(self, name: str, alias: str | None, clause: str, position: Position | None) -> ScopeColumn:
        """The column that `name` or `alias.name` means in a `clause` (for the message). Raises SqlError: unknown or ambiguous."""
        if alias is not None:
            among: tuple[ScopeColumn, ...] = self.source(alias, position).columns
        else:
            among = self.columns
        found = [c for c in among if c.name == name]
        if len(found) > 1:
            choices = " or ".join(f"{name_text(c.alias)}.{name_text(c.name)}" for c in found)
            raise SqlError(f"Column '{name}' is ambiguous.", mend=f"Write {choices}.", position=position)
        if found:
            return found[0]
        shown = f"{alias}.{name}" if alias else name
        mend = nearest(name, [c.name for c in among if not c.pseudo]) or self._listing(among)
        raise SqlError(f"{clause} column '{shown}' cannot be resolved.", mend=mend, position=position)

    def _listing(self, among: Iterable[ScopeColumn]) -> str:
        names = [name_text(c.name) for c in among if not c.pseudo]
        more = f" and {len(names) - 12} more" if len(names) > 12 else ""
        return f"There are {', '.join(names[:12])}{more}." if names else "There are no columns."

    def is_ambiguous(self, name: str) -> bool:
        """Whether more than one source has a column of that name."""
        return sum(c.name == name for c in self.columns) > 1


def column_of(column: ScopeColumn) -> ex.Column:
    """The expression that reads a column of the scope."""
    return ex.Column(column.type, column.step_name)
