"""The parse tables: made from grammar.lark by lark's LALR(1) generator, kept in grammar.json, read from there.

Importing lark and generating the tables takes about 0.25 s; reading them takes 2 ms, so lark is needed only where the
grammar is changed. `python -m penstock.sql.tables` writes grammar.json anew; a test fails when it is stale.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

GRAMMAR = Path(__file__).with_name("grammar.lark")
TABLES = Path(__file__).with_name("grammar.json")
STARTS = ("statement", "expression", "type", "column_list")
END = "$END"


@dataclass(frozen=True, slots=True)
class Rule:
    """One alternative of a rule of the grammar. `length` symbols of the stack become one symbol, `origin`.

    `kept` says which of the symbols are handed to `action`, and whether each is a list to be spliced in. `action` None: the
    symbols become a list (for a `_rule`), or the only one of them is handed on.
    """

    origin: str
    length: int
    action: str | None
    kept: tuple[tuple[int, bool], ...]
    is_list: bool


@dataclass(frozen=True, slots=True)
class Tables:
    """`states[s][symbol]` is the next state after a symbol, or minus one less than the index of the rule to reduce by."""

    states: tuple[dict[str, int], ...]
    rules: tuple[Rule, ...]
    start: dict[str, int]
    end: dict[str, int]
    keywords: frozenset[str]


@cache
def load() -> Tables:
    """The tables as kept in grammar.json."""
    data = json.loads(TABLES.read_text())
    states = tuple(data["states"])
    rules = tuple(
        Rule(origin, length, action, tuple((index, bool(spliced)) for index, spliced in kept), origin.startswith("_"))
        for origin, length, action, kept in data["rules"]
    )
    keywords = frozenset(symbol for row in states for symbol in row if symbol.isalpha() and symbol.isupper())  # declared terminals have an underscore
    return Tables(states, rules, data["start"], data["end"], keywords)


def build() -> dict[str, Any]:
    """The tables as grammar.lark says, in the form of grammar.json. Raises lark's errors where the grammar is wrong or ambiguous."""
    from lark import Lark
    from lark.lexer import Lexer
    from lark.parsers.lalr_analysis import Shift

    class NoLexer(Lexer):
        def __init__(self, lexer_conf: Any) -> None: ...

        def lex(self, lexer_state: Any, parser_state: Any) -> Iterator[Any]:
            return iter(())

    lark = Lark(GRAMMAR.read_text(), parser="lalr", lexer=NoLexer, start=list(STARTS), maybe_placeholders=False, strict=False, debug=False)
    table = lark.parser.parser._parse_table
    written = {terminal.name: _written(terminal) for terminal in lark.terminals}
    rules = {rule: number for number, rule in enumerate(lark.rules)}

    # States are numbered in the order in which they are reached, so that equal grammars give equal tables.
    numbers: dict[Any, int] = {}
    waiting = [table.start_states[start] for start in STARTS]
    order = []
    while waiting:
        state = waiting.pop(0)
        if state in numbers:
            continue
        numbers[state] = len(numbers)
        order.append(state)
        entries = table.states[state]
        waiting += [entries[symbol][1] for symbol in sorted(entries) if entries[symbol][0] is Shift]

    def action(entry: tuple[Any, Any]) -> int:
        kind, target = entry
        return numbers[target] if kind is Shift else -1 - rules[target]

    def row(state: Any) -> dict[str, int]:
        return {written.get(s, s): action(entry) for s, entry in sorted(table.states[state].items()) if _is_rule(entry, rules)}

    return {
        "states": [row(state) for state in order],
        "rules": [_rule(rule) for rule in lark.rules],
        "start": {start: numbers[table.start_states[start]] for start in STARTS},
        "end": {start: numbers[table.end_states[start]] for start in STARTS},
    }


def _is_rule(entry: tuple[Any, Any], rules: dict[Any, int]) -> bool:
    """Leave out the reductions by lark's own root rules: reaching the end state is the end."""
    return isinstance(entry[1], int) or entry[1] in rules


def _written(terminal: Any) -> str:
    """A keyword or an operator by its text, a declared terminal by its name."""
    pattern = terminal.pattern
    return str(pattern.value) if pattern is not None and pattern.type == "str" else str(terminal.name)


def _rule(rule: Any) -> list[Any]:
    origin = str(rule.origin.name)
    kept = [
        (index, int(str(symbol.name).startswith("_") and not symbol.is_term))
        for index, symbol in enumerate(rule.expansion)
        if not (symbol.is_term and symbol.filter_out) or rule.options.keep_all_tokens
    ]
    action = rule.alias or origin
    if origin.startswith("_") or (rule.options.expand1 and rule.alias is None and len(kept) == 1):
        action = None
    return [origin, len(rule.expansion), action, kept]


def write() -> None:
    """Write grammar.json."""
    data = build()
    rows = {key: ",\n".join(json.dumps(row, separators=(",", ":")) for row in data[key]) for key in ("states", "rules")}
    TABLES.write_text(
        f'{{"start":{json.dumps(data["start"])},"end":{json.dumps(data["end"])},\n"rules":[\n{rows["rules"]}\n],\n"states":[\n{rows["states"]}\n]}}\n'
    )


if __name__ == "__main__":
    write()
