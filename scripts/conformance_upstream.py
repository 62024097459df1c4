"""The conformance runner with ksqlDB's own way of comparing, for the cases that fail by run.py's: they show whether the answer is wrong, or is
spelled otherwise than the case spells it.

run.py compares the text of schemas, the letter case of field names, and a stream's keys as text in a batch. ksqlDB's test tool parses the schemas,
takes field names without their case, and compares keys as values; and the order of a pull query's rows is nobody's promise without ORDER BY.
"""

from __future__ import annotations

import json
from types import ModuleType
from typing import Any


def compares_as_upstream(runner: ModuleType) -> ModuleType:
    """The runner, changed in place."""
    plain_same, plain_answers = runner.same, runner.check_answers

    def same(expected: Any, actual: Any) -> bool:
        if isinstance(expected, dict) and isinstance(actual, dict):
            expected, actual = ({k.upper(): v for k, v in value.items()} if folds(value) else value for value in (expected, actual))
            return all(same(expected.get(k), actual.get(k)) for k in expected.keys() | actual.keys())
        if isinstance(expected, list) and isinstance(actual, list | tuple):
            return len(expected) == len(actual) and all(map(same, expected, actual))
        return bool(plain_same(expected, actual))

    def check_batched(topic: str, is_table: bool, expected: list[Any], actual: list[Any]) -> None:
        folded = [{**r, "key": canonical(r.get("key"))} for r in expected]
        if is_table:
            plain_batched(topic, is_table, folded, [Folded(r) for r in actual])
            return
        if len(expected) != len(actual):
            raise AssertionError(f"{topic}: expected {len(expected)} records, got {len(actual)}")
        got = runner.group(actual, lambda r: json.dumps(canonical(r.key), default=str))
        for key, wanted in runner.group(expected, lambda r: json.dumps(canonical(r.get("key")), default=str)).items():
            runner.check_sequence(f"{topic} key {key}", wanted, got.get(key, []))

    def check_answers(responses: list[Any], answers: list[Any]) -> None:
        plain_answers(responses, [AnyOrder(a, r, same) if "query" in r else a for a, r in zip(answers, responses, strict=False)])

    plain_batched = runner.check_batched
    runner.same, runner.normal = same, normal  # type: ignore[attr-defined]
    runner.check_batched, runner.check_answers = check_batched, check_answers  # type: ignore[attr-defined]
    return runner


def folds(value: dict[str, Any]) -> bool:
    """Whether an object's names stay apart without their case."""
    return len({name.upper() for name in value}) == len(value)


def normal(schema: str) -> str:
    """A schema by what it says, not by how it is written."""
    from penstock.errors import SqlError
    from penstock.sql.parser import parse_schema

    try:
        return repr([(column.name, str(column.type), column.constraint is not None) for column in parse_schema(schema)])
    except SqlError:
        return schema


def canonical(key: Any) -> Any:
    """A key as a value: names in upper case and sorted, numbers without their kind."""
    if isinstance(key, dict):
        return {name.upper(): canonical(value) for name, value in sorted(key.items(), key=lambda item: item[0].upper())}
    if isinstance(key, list):
        return [canonical(item) for item in key]
    return float(key) if isinstance(key, int) and not isinstance(key, bool) else key


class Folded:
    """A record whose key is canonical."""

    def __init__(self, record: Any) -> None:
        self._record, self.key = record, canonical(record.key)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._record, name)


class AnyOrder:
    """An answer whose rows stand in the order in which they are expected, where they are the same rows. A push query's order is a promise."""

    def __init__(self, answer: Any, response: dict[str, Any], same: Any) -> None:
        self._answer, self._same = answer, same
        self._expected = [part["row"]["columns"] for part in response["query"] if "row" in part]

    def result(self) -> Any:
        """The answer, its rows in the order of those expected."""
        from dataclasses import replace

        found = self._answer.result()
        if self._answer._query.is_push:
            return found
        left, ordered = list(found.rows), []
        for wanted in self._expected:
            at = next((i for i, row in enumerate(left) if self._same(wanted, list(row))), None)
            if at is None:
                return found
            ordered.append(left.pop(at))
        return replace(found, rows=ordered + left)
