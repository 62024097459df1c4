"""EXPLAIN: a plan as an indented tree, the result on top, the sources at the leaves."""

from __future__ import annotations

from collections.abc import Iterator

from penstock.plan import steps
from penstock.plan.text import expression_text, name_text
from penstock.sql.format import format_duration


def explain(plan: steps.Step | steps.QueryPlan) -> str:
    """A readable tree of a plan, a line a step, of its sources and keys and what each step computes."""
    if isinstance(plan, steps.QueryPlan):
        lines = [_query(plan), *(f"  {line}" for line in _lines(plan.root))]
        return "\n".join(lines)
    return "\n".join(_lines(plan))


def _query(plan: steps.QueryPlan) -> str:
    parts = ["push query" if plan.push else "pull query", f"answers {', '.join(name_text(c.name) for c in plan.output)}"]
    if plan.lookup is not None:
        parts.append(f"looks up {len(plan.lookup)} key{'' if len(plan.lookup) == 1 else 's'}")
    if plan.windows is not None:
        w = plan.windows
        bounds = (("WINDOWSTART >=", w.start_min_ms), ("WINDOWSTART <=", w.start_max_ms),
                  ("WINDOWEND >=", w.end_min_ms), ("WINDOWEND <=", w.end_max_ms))
        parts.append(f"windows {' and '.join(f'{text} {bound}' for text, bound in bounds if bound is not None)}")
    if plan.limit is not None:
        parts.append(f"limit {plan.limit}")
    return ", ".join(parts)


def _lines(step: steps.Step) -> Iterator[str]:
    yield f"{_text(step)}  [{_schema(step)}]"
    for below in inputs(step):
        yield from (f"  {line}" for line in _lines(below))


def inputs(step: steps.Step) -> tuple[steps.Step, ...]:
    """The steps that a step reads."""
    match step:
        case steps.Source():
            return ()
        case steps.StreamTableJoin() | steps.StreamStreamJoin() | steps.TableTableJoin() | steps.ForeignKeyJoin():
            return step.left, step.right
    below = getattr(step, "input", None)
    assert isinstance(below, steps.Step)
    return (below,)


def _schema(step: steps.Step) -> str:
    keys = ", ".join(f"{name_text(c.name)} {c.type}" for c in step.schema.key) or "no key"
    values = ", ".join(f"{name_text(c.name)} {c.type}" for c in step.schema.value) or "no values"
    return f"{step.kind.lower()}: {keys} | {values}"


def _text(step: steps.Step) -> str:
    match step:
        case steps.Sink():
            stamp = f", timestamp {step.timestamp.column}" if step.timestamp else ""
            window = f", {_key_window(step.window)}" if step.window else ""
            return f"write {step.target} to topic {step.topic!r} ({_formats(step.key_format, step.value_format)}, {step.partitions} partition" \
                   f"{'' if step.partitions == 1 else 's'}{window}{stamp})"
        case steps.Source():
            stamp = f", timestamp {step.timestamp.column}" if step.timestamp else ""
            window = f", {_key_window(step.window)}" if step.window else ""
            alias = f" as {step.prefix[:-1]}" if step.prefix and step.prefix[:-1] != step.source else ""
            return f"read {step.source}{alias} from topic {step.topic!r} ({_formats(step.key_format, step.value_format)}{window}{stamp})"
        case steps.Filter():
            return f"filter {expression_text(step.predicate)}"
        case steps.Select():
            pairs = [*zip(step.schema.key, step.key, strict=True), *zip(step.schema.value, step.value, strict=True)]
            return f"select {', '.join(_named(c.name, expression_text(e)) for c, e in pairs)}"
        case steps.FlatMap():
            made = step.schema.value[-len(step.calls):]
            return f"explode {', '.join(_named(c.name, expression_text(e)) for c, e in zip(made, step.calls, strict=True))}"
        case steps.Rekey():
            return f"rekey by {', '.join(map(expression_text, step.key)) or 'nothing'}"
        case steps.Aggregate():
            made = step.schema.value[len(step.carried):]
            calls = ", ".join(_named(c.name, expression_text(e)) for c, e in zip(made, step.aggregates, strict=True))
            return f"aggregate {calls}{f', {_window(step.window)}' if step.window else ''}"
        case steps.Suppress():
            return f"hold back until final, {_window(step.window)}"
        case steps.StreamTableJoin():
            return f"{step.join.lower()} join stream with table"
        case steps.StreamStreamJoin():
            grace = f", grace {_duration(step.grace_ms)}" if step.grace_ms is not None else ""
            return f"{step.join.lower()} join streams within ({_duration(step.before_ms)}, {_duration(step.after_ms)}){grace}"
        case steps.TableTableJoin():
            return f"{step.join.lower()} join tables"
        case steps.ForeignKeyJoin():
            return f"{step.join.lower()} join tables on foreign key {expression_text(step.foreign_key)}"
    raise AssertionError(f"no text for {step}")


def _named(name: str, text: str) -> str:
    shown = name_text(name)
    return shown if shown == text else f"{text} as {shown}"


def _formats(key: steps.FormatSpec, value: steps.FormatSpec) -> str:
    return f"key {key.name}, value {value.name}"


def _key_window(window: steps.WindowedKey) -> str:
    return f"{window.kind.lower()} window{f' of {_duration(window.size_ms)}' if window.size_ms is not None else ''}"


def _window(window: steps.Window) -> str:
    size = "with a gap of" if window.kind == "SESSION" else "of"
    parts = [f"{window.kind.lower()} window {size} {_duration(window.size_ms)}"]
    for name, value in (("advance", window.advance_ms), ("retention", window.retention_ms), ("grace", window.grace_ms)):
        if value is not None:
            parts.append(f"{name} {_duration(value)}")
    return ", ".join(parts)


def _duration(ms: int) -> str:
    return format_duration(ms).lower()
