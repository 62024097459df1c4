"""JSON Schema: whether all that one schema lets through, another does too (Confluent's JSON Schema compatibility rules)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from penstock.registry.canonical import Resolve
from penstock.registry.model import Schema

_UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")
_LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
_TYPES = ("null", "boolean", "integer", "number", "string", "array", "object")
_DEPTH_MAX = 40


def unreadable(reader: Schema, writer: Schema, resolve: Resolve) -> list[str]:
    """Why the reader's schema does not let through all that the writer's does."""
    to, source = json.loads(reader.text), json.loads(writer.text)
    return _Comparison(_Documents(to, reader, resolve), _Documents(source, writer, resolve)).compare(to, source, "the value", 0)


class _Documents:
    """A schema's root and the documents that it refers to."""

    def __init__(self, root: Any, schema: Schema, resolve: Resolve) -> None:
        self.root = root
        self.others: Mapping[str, Any] = {r.name: json.loads(resolve(r).text) for r in schema.references}

    def find(self, schema: Any) -> Any:
        """The schema itself, where `schema` is but a reference to it."""
        for _ in range(_DEPTH_MAX):
            if not isinstance(schema, dict) or "$ref" not in schema:
                break
            name, _, path = schema["$ref"].partition("#")
            node = self.others.get(name, True) if name else self.root
            for part in filter(None, path.split("/")):
                node = node.get(part.replace("~1", "/").replace("~0", "~"), True) if isinstance(node, dict) else True
            schema = node
        return schema


class _Comparison:
    def __init__(self, reader: _Documents, writer: _Documents) -> None:
        self.reader = reader
        self.writer = writer

    def compare(self, to: Any, source: Any, place: str, depth: int) -> list[str]:
        to, source = self.reader.find(to), self.writer.find(source)
        if to == source or to is True or to == {} or source is False or depth > _DEPTH_MAX:
            return []
        if to is False:
            return [f"{place} is no longer allowed: allow it."]
        source = {} if source is True else source
        sources, targets = _branches(source), _branches(to)
        if sources is not None or targets is not None:
            return self._unions(to, source, targets or [to], sources or [source], place, depth)
        return self._types(to, source, place) or (
            self._limits(to, source, place) + self._enums(to, source, place)
            + self._properties(to, source, place, depth) + self._items(to, source, place, depth)
        )

    def _unions(self, to: Any, source: Any, targets: list[Any], sources: list[Any], place: str, depth: int) -> list[str]:
        if "allOf" in to:
            return [p for branch in targets for p in self.compare(branch, source, place, depth + 1)]
        if "allOf" in source:
            return [] if any(not self.compare(to, branch, place, depth + 1) for branch in sources) else [
                f"{place} is no longer let through as it was: widen it."]
        problems = []
        for branch in sources:
            if all(self.compare(target, branch, place, depth + 1) for target in targets):
                if len(targets) == 1:
                    problems += self.compare(targets[0], branch, place, depth + 1)
                else:
                    problems.append(f"{place} may be {_word(self.writer.find(branch))}, which none of its types allows now: add that type.")
        return problems

    def _types(self, to: Any, source: Any, place: str) -> list[str]:
        allowed, was = _types(to), _types(source)
        gone = [t for t in was if t not in allowed and not (t == "integer" and "number" in allowed)]
        if not gone:
            return []
        if set(was) == set(_TYPES):
            return [f"{place} could be of any type, but must be {' or '.join(allowed)} now: allow any."]
        return [f"{place} changed from {' or '.join(was)} to {' or '.join(allowed)}: keep its type, or allow both."]

    def _limits(self, to: Any, source: Any, place: str) -> list[str]:
        problems = []
        for word in _UPPER:
            if word in to and (word not in source or source[word] > to[word]):
                problems.append(f"{place} has {word} {to[word]}{_was(source, word)}: do not lower it.")
        for word in _LOWER:
            if word in to and to[word] and (word not in source or source[word] < to[word]):
                problems.append(f"{place} has {word} {to[word]}{_was(source, word)}: do not raise it.")
        if "pattern" in to and to["pattern"] != source.get("pattern"):
            problems.append(f"{place} has the pattern {to['pattern']}{_was(source, 'pattern')}: take it away, or keep it as it was.")
        if "multipleOf" in to and ("multipleOf" not in source or source["multipleOf"] % to["multipleOf"]):
            problems.append(f"{place} has multipleOf {to['multipleOf']}{_was(source, 'multipleOf')}: take it away, or choose a divisor.")
        if to.get("uniqueItems") and not source.get("uniqueItems"):
            problems.append(f"{place} must have unique items now: allow repeated ones.")
        return problems

    def _enums(self, to: Any, source: Any, place: str) -> list[str]:
        allowed = to.get("enum", [to["const"]] if "const" in to else None)
        if allowed is None:
            return []
        was = source.get("enum", [source["const"]] if "const" in source else None)
        if was is None:
            return [f"{place} must be one of {json.dumps(allowed)} now: take the list away."]
        gone = [v for v in was if v not in allowed]
        return [f"{place} may no longer be {', '.join(map(json.dumps, gone))}: keep what was allowed."] if gone else []

    def _properties(self, to: Any, source: Any, place: str, depth: int) -> list[str]:
        if "object" not in _types(to) or "object" not in _types(source):
            return []
        problems = []
        mine, theirs = to.get("properties", {}), source.get("properties", {})
        rest, their_rest = to.get("additionalProperties", True), source.get("additionalProperties", True)
        for name in sorted(set(to.get("required", [])) - set(source.get("required", []))):
            if not (isinstance(mine.get(name), dict) and "default" in mine[name]):
                problems.append(f"Property {name}{_of(place)} is required now, but was not: give it a default, or do not require it.")
        for name, schema in theirs.items():
            where = f"property {name}{_of(place)}"
            if name in mine:
                problems += self.compare(mine[name], schema, where, depth + 1)
            elif rest is False:
                problems.append(f"Property {name}{_of(place)} is gone, and other properties are not allowed: keep it, or allow others.")
            else:
                problems += self.compare(rest, schema, where, depth + 1)
        for name, schema in mine.items():
            if name in theirs or their_rest is False:
                continue
            if their_rest is True or their_rest == {}:
                if self.reader.find(schema) not in (True, {}):
                    problems.append(f"Property {name}{_of(place)} is new, but the earlier schema let anything through under that name: "
                                    "allow any type, or close the earlier schema (additionalProperties false).")
            else:
                problems += self.compare(schema, their_rest, f"property {name}{_of(place)}", depth + 1)
        if rest is not True and rest != {} and rest != their_rest:
            problems += self._rest(rest, their_rest, place, depth)
        return problems

    def _rest(self, rest: Any, their_rest: Any, place: str, depth: int) -> list[str]:
        if rest is False:
            return [] if their_rest is False else [f"{place} does not allow other properties now, but did: allow them."]
        return self.compare(rest, their_rest, f"any other property{_of(place)}", depth + 1)

    def _items(self, to: Any, source: Any, place: str, depth: int) -> list[str]:
        if "items" in to and isinstance(to["items"], dict | bool) and isinstance(source.get("items", True), dict | bool):
            return self.compare(to["items"], source.get("items", True), f"an item of {place}", depth + 1)
        return []


def _branches(schema: Any) -> list[Any] | None:
    for union in ("oneOf", "anyOf", "allOf"):
        if union in schema:
            return list(schema[union])
    return None


def _types(schema: Any) -> list[str]:
    if not isinstance(schema, dict):
        return list(_TYPES)
    kind = schema.get("type")
    if kind is None:
        values = schema.get("enum", [schema["const"]] if "const" in schema else None)
        return list(_TYPES) if values is None else sorted({_type_of(v) for v in values})
    return [kind] if isinstance(kind, str) else list(kind)


def _type_of(value: Any) -> str:
    if value is None:
        return "null"
    for type_, word in ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"), (list, "array")):
        if isinstance(value, type_):
            return word
    return "object"


def _word(schema: Any) -> str:
    return " or ".join(_types(schema))


def _was(source: Any, word: str) -> str:
    return f" now, and had {source[word]}" if word in source else " now, and had none"


def _of(place: str) -> str:
    return "" if place == "the value" else f" of {place}"
