"""Walks over typed expressions, by their dataclass fields."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from typing import Any

from penstock.plan import expressions as ex


def _parts(value: Any) -> Iterator[ex.Expr]:
    if isinstance(value, ex.Expr):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _parts(item)


def children(expr: ex.Expr) -> list[ex.Expr]:
    """The direct sub-expressions."""
    return [part for f in fields(expr) if f.name != "type" for part in _parts(getattr(expr, f.name))]


def descend(expr: ex.Expr) -> Iterator[ex.Expr]:
    """`expr` and all below it, from the top."""
    yield expr
    for child in children(expr):
        yield from descend(child)


def columns_in(expr: ex.Expr) -> set[str]:
    """The names of the columns that `expr` reads."""
    return {e.name for e in descend(expr) if isinstance(e, ex.Column)}


def rewrite(expr: ex.Expr, change: Callable[[ex.Expr], ex.Expr | None]) -> ex.Expr:
    """`expr` with each node for which `change` gives another replaced by that one, from the top; what is replaced is not entered."""
    changed = change(expr)
    if changed is not None:
        return changed

    def inside(value: Any) -> Any:
        if isinstance(value, ex.Expr):
            return rewrite(value, change)
        return tuple(map(inside, value)) if isinstance(value, tuple) else value

    parts = {f.name: getattr(expr, f.name) for f in fields(expr) if f.name != "type"}
    new = {name: inside(value) for name, value in parts.items()}
    return expr if all(new[n] is parts[n] for n in parts) else replace(expr, **new)
