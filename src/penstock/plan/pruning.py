"""Column pruning: each step keeps only the columns that a step above it reads, so that a source decodes nothing in vain."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TypeVar

from penstock.plan import expressions as ex
from penstock.plan import steps
from penstock.plan.walk import columns_in

_Join = TypeVar("_Join", steps.StreamTableJoin, steps.StreamStreamJoin, steps.TableTableJoin)


def prune(step: steps.Step, needed: Iterable[str] | None = None) -> steps.Step:
    """`step` with all that is not `needed` above it left out (None: all its columns are). Keys stay whole."""
    names = {c.name for c in step.schema.columns} if needed is None else set(needed)
    match step:
        case steps.Source():
            return _source(step, names)
        case steps.Filter():
            below = prune(step.input, names | columns_in(step.predicate))
            return replace(step, schema=below.schema, input=below)
        case steps.Select():
            kept = [(c, e) for c, e in zip(step.schema.value, step.value, strict=True) if c.name in names]
            exprs = tuple(e for _, e in kept)
            schema = steps.Schema(step.schema.key, tuple(c for c, _ in kept))
            return replace(step, schema=schema, value=exprs, input=prune(step.input, _read(*step.key, *exprs)))
        case steps.FlatMap():
            made = step.schema.value[-len(step.calls):]
            below = prune(step.input, (names - {c.name for c in made}) | _read(*step.calls))
            return replace(step, schema=steps.Schema(below.schema.key, (*below.schema.value, *made)), input=below)
        case steps.Rekey():
            value = tuple(c for c in step.schema.value if c.name in names)
            below = prune(step.input, {c.name for c in value} | _read(*step.key))
            return replace(step, schema=steps.Schema(step.schema.key, value), input=below)
        case steps.Aggregate():
            return replace(step, input=prune(step.input, {*step.carried} | _read(*step.aggregates)))
        case steps.Suppress():
            return replace(step, input=prune(step.input, names))
        case steps.StreamTableJoin():
            return _joined(step, names)
        case steps.StreamStreamJoin():
            return _joined(step, names)
        case steps.TableTableJoin():
            return _joined(step, names)
        case steps.ForeignKeyJoin():
            left = prune(step.left, names | columns_in(step.foreign_key))
            return replace(step, schema=_schema(step, names), left=left, right=prune(step.right, names))
        case steps.Sink():
            return replace(step, input=prune(step.input))
    raise AssertionError(f"unknown step {step}")


def _read(*exprs: ex.Expr) -> set[str]:
    return {name for e in exprs for name in columns_in(e)}


def _schema(step: steps.Step, names: set[str]) -> steps.Schema:
    return steps.Schema(step.schema.key, tuple(c for c in step.schema.value if c.name in names))


def _joined(step: _Join, names: set[str]) -> _Join:
    return replace(step, schema=_schema(step, names), left=prune(step.left, names), right=prune(step.right, names))


def _source(step: steps.Source, names: set[str]) -> steps.Source:
    if step.timestamp is not None:
        names = names | {step.prefix + step.timestamp.column}
    value = tuple(c for c in step.schema.value if c.name in names)
    pseudo = tuple(p for p in step.pseudo if step.prefix + p in names)
    headers = tuple(h for h in step.headers if step.prefix + h.name in names)
    return replace(step, schema=steps.Schema(step.schema.key, value), pseudo=pseudo, headers=headers)
