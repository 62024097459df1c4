"""A token that cannot stand where it stands -> what is wrong, and the mend.

The parse tables say which tokens could have stood there; the rest is knowing the slips that people make. Each `_...` function
knows one kind of slip and answers None where it is another; `_SLIPS` is the order in which they are asked.
"""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches

from penstock.errors import SqlError
from penstock.sql.scene import TEXT_MAX, Scene, advance, possible, shown, step
from penstock.sql.tables import END, Tables
from penstock.sql.tokens import RESERVED, STRANGE, UNITS, UNTERMINATED, Lines, Token

_QUOTES = dict.fromkeys("‘’‚‛′´", "'") | dict.fromkeys("“”„‟″", '"')
_OTHER_SIGNS = {
    "==": "Write = to compare.",
    "&&": "Write AND.",
    "::": "Write CAST(value AS type).",
    "=>": "A lambda stands as an argument of a function only.",
}
_ABSENT = {
    "UPDATE": "INSERT a row with the same key: in a table it takes the place of the older one.",
    "DELETE": "A record with a key and a NULL value removes a row from a table; retention removes old records from a topic.",
    "TRUNCATE": "DROP the source with DELETE TOPIC, and create it anew.",
}
_COMPARING = {"=", "<>", "!=", "<", "<=", ">", ">="}
_OPENING = {"(": ")", "[": "]"}
_CLAUSES = ("FROM", "WINDOW", "WHERE", "GROUP BY", "PARTITION BY", "HAVING", "EMIT", "LIMIT")
_PULL_ONLY = {"ORDER": "ORDER BY", "UNION": "UNION", "INTERSECT": "INTERSECT", "EXCEPT": "EXCEPT", "CROSS": "CROSS JOIN", "NATURAL": "NATURAL JOIN"}
_SAID = {
    "STRING_LITERAL": "a string in single quotes", "INTEGER_LITERAL": "a whole number", "TIME_UNIT": "a unit of time, like MINUTES", END: "the end",
}  # fmt: skip
_SHOWN_MAX = 8
_WORD_MAX = 20  # longer than every keyword, and then some


def explain(table: Tables, start: str, tokens: list[Token], token: Token, lines: Lines) -> SqlError:
    """The error of a parse from `start` that stopped at `token`, which is one of `tokens` or the one behind the last."""
    index = next((number for number, each in enumerate(tokens) if each is token), len(tokens))
    before = [table.start[start]]
    for each in tokens[: max(0, index - 1)]:
        advance(table, before, each.terminals)
    path = list(before)
    if index:
        advance(table, path, tokens[index - 1].terminals)
    taken = next((t for t in tokens[index - 1].terminals if step(table, before, (t,))), "") if index else ""
    scene = Scene(table, tokens, index, path, before, taken, lines)
    return next(error for slip in _SLIPS if (error := slip(scene)))


# ---------------------------------------------------------------------------------------------- signs and brackets


def _unreadable(scene: Scene) -> SqlError | None:
    token = scene.token
    if token is None or token.terminals[0] not in (STRANGE, UNTERMINATED):
        return None
    if token.terminals[0] == UNTERMINATED:
        kinds = {"'": ("string", "'"), "`": ("name", "`"), '"': ("name", '"'), "/": ("comment", "*/")}
        kind, closing = kinds[token.text[0]]
        return scene.error(token, f"The {kind} that starts here is never closed.", f"Add the closing {closing}")
    if token.text.startswith("${"):
        name = token.text.strip("${}") if len(token.text) <= TEXT_MAX else "name"
        return scene.error(token, f"The variable {shown(token)} is not defined.", f"Write DEFINE {name} = '...'; before it.")
    if token.text == ":":
        return scene.error(token, ": is not expected here.", "Write := between a key or a name and its value.")
    if right := _QUOTES.get(token.text):
        return scene.error(token, f"{token.text} is not a quote of SQL.", f"Write {right} instead.")
    return scene.error(
        token, f"{token.text} has no meaning here.", "If it belongs to a name, put the name in backticks; if to a text, in single quotes."
    )


def _other_language(scene: Scene) -> SqlError | None:
    token = scene.token
    if token and (mend := _OTHER_SIGNS.get(token.text)):
        return scene.error(token, f"{token.text} is not expected here.", mend)
    if token and token.text in _COMPARING and scene.accepts("AND"):
        return scene.error(
            token, f"A second {token.text} is not expected here.", "Comparisons do not chain: join two of them by AND, or use brackets."
        )
    return None


def _bracket(scene: Scene) -> SqlError | None:
    waiting: list[Token] = []
    for token in scene.tokens[: scene.index]:
        if token.text in _OPENING:
            waiting.append(token)
        elif token.text in _OPENING.values() and waiting:
            waiting.pop()
    if scene.token is None and waiting:
        return scene.error(waiting[-1], f"This {waiting[-1].text} is never closed.", f"Add the missing {_OPENING[waiting[-1].text]}")
    if scene.token and scene.token.text in _OPENING.values() and not waiting:
        return scene.error(scene.token, f"This {scene.token.text} closes nothing.", "Leave it out, or add what opens it.")
    if scene.token and waiting and (_clause(scene.token) or scene.token.terminals[0] in RESERVED):
        closing = _OPENING[waiting[-1].text]
        if scene.accepts(closing):
            where = scene.lines.position(waiting[-1].start)
            return scene.error(
                scene.token,
                f"{shown(scene.token)} is not expected here.",
                f"Is a {closing} missing? The {waiting[-1].text} at {where} is still open.",
            )
    return None


# ---------------------------------------------------------------------------------------------- words


def _misspelt(scene: Scene) -> SqlError | None:
    """FORM for FROM: the word itself, or the one before it, which was then taken for a name."""
    for token, path in ((scene.token, scene.path), (scene.previous, scene.before)):
        if token is None or token.terminals[-1] != "BARE_NAME" or len(token.text) > _WORD_MAX:
            continue
        if token is scene.previous and scene.taken != "BARE_NAME":
            continue
        word = token.text.upper()
        terminals = possible(scene.table, path)
        words = [symbol for symbol in terminals if symbol in scene.table.keywords and symbol != word]
        words += UNITS if "TIME_UNIT" in terminals else ()
        if close := get_close_matches(word, words, 1, 0.7):
            return scene.error(token, f"{shown(token)} is not expected here.", f"Did you mean {close[0]}?")
    return None


def _no_statement(scene: Scene) -> SqlError | None:
    if scene.index or "CREATE" not in scene.table.states[scene.path[-1]]:
        return None
    if scene.token and (mend := _ABSENT.get(scene.token.text.upper())):
        return scene.error(scene.token, f"There is no {scene.token.text.upper()} over streams of events.", mend)
    return scene.error(
        scene.token, f"{shown(scene.token)} does not start a statement.", "Statements start with words like SELECT, CREATE, INSERT, SHOW or DROP."
    )


def _not_in_streams(scene: Scene) -> SqlError | None:
    word = scene.token.text.upper() if scene.token else ""
    if word in _PULL_ONLY and scene.tokens[0].text.upper() != "SELECT":
        return scene.error(
            scene.token, f"{_PULL_ONLY[word]} has no meaning over a stream that does not end.", "Use it in a pull query, a SELECT without EMIT."
        )
    if word in _PULL_ONLY:
        return scene.error(scene.token, f"{_PULL_ONLY[word]} works in pull queries only, which have no EMIT.", "Leave out the EMIT clause, or this.")
    if word == "DISTINCT" and scene.previous and scene.previous.text == "(":
        return scene.error(scene.token, "DISTINCT is not expected here.", "COUNT_DISTINCT and COLLECT_SET aggregate distinct values.")
    if word == "DISTINCT":
        return scene.error(
            scene.token, "SELECT DISTINCT works in pull queries only, which have no EMIT.", "Over a stream, GROUP BY the columns instead."
        )
    return None


def _clause_order(scene: Scene) -> SqlError | None:
    """WHERE behind GROUP BY, or twice."""
    if scene.token is None or scene.tokens[0].text.upper() not in ("SELECT", "CREATE", "INSERT", "EXPLAIN"):
        return None
    seen = [clause for token in scene.tokens[: scene.index + 1] if (clause := _clause(token))]
    this = _clause(scene.token)
    if this is None:
        return None
    if this in seen[:-1]:
        return scene.error(scene.token, f"This is a second {this}.", "A query has one of each clause; conditions are joined by AND.")
    later = [clause for clause in seen[:-1] if _CLAUSES.index(clause) > _CLAUSES.index(this)]
    if later:
        return scene.error(scene.token, f"{this} is not expected here.", f"It stands before {min(later, key=_CLAUSES.index)}.")
    return None


def _clause(token: Token) -> str | None:
    if token.terminals[-1] != "BARE_NAME" and token.terminals[0] not in RESERVED:
        return None
    return next((clause for clause in _CLAUSES if clause.split()[0] == token.text.upper()), None)


def _missing_expression(scene: Scene) -> SqlError | None:
    """SELECT a, FROM t; WHERE GROUP BY ...: a word that would be right if something stood before it."""
    if not scene.previous or scene.taken in ("BARE_NAME", "QUOTED_NAME"):
        return None
    terminals = scene.token.terminals if scene.token else (END,)
    if scene.previous.text == "," and (scene.token is None or terminals[0] in RESERVED or scene.token.text in _OPENING.values()):
        return scene.error(
            scene.previous, f"Nothing stands between this comma and {shown(scene.token)}.", "Leave the comma out, or add what is missing."
        )
    if scene.previous.text == "," and scene.token and scene.token.text == ",":
        return scene.error(scene.token, "Nothing stands between two commas.", "Leave one of them out, or add what is missing.")
    if not scene.accepts("BARE_NAME", terminals):
        return None
    here = f"before {shown(scene.token)}" if scene.token else "at the end"
    wanted = "A column or an expression" if "CASE" in scene.table.states[scene.path[-1]] else "A name"
    return scene.error(scene.token, f"{wanted} is missing {here}.", f"{shown(scene.previous)} needs one.")


def _reserved(scene: Scene) -> SqlError | None:
    token = scene.token
    if token and _clause(token) and scene.taken in ("BARE_NAME", "QUOTED_NAME"):
        return None
    if token and token.terminals[0] in RESERVED and scene.accepts("BARE_NAME"):
        return scene.error(token, f"{token.text} is a reserved word.", f"To use it as a name, put it in backticks: `{token.text}`")
    return None


# ---------------------------------------------------------------------------------------------- commas, quotes, the rest


def _quote_in_string(scene: Scene) -> SqlError | None:
    token, previous = scene.token, scene.previous
    if token and previous and scene.taken == "STRING_LITERAL" and previous.end == token.start and token.text[0].isalnum():
        return scene.error(token, f"The string ends before {shown(token)}.", "A quote within a string is doubled: 'it''s'")
    return None


def _rows(scene: Scene) -> SqlError | None:
    if scene.token and scene.token.text == "," and scene.tokens[0].terminals == ("INSERT",) and scene.accepts(END):
        return scene.error(scene.token, "INSERT takes one row.", "Write one INSERT for each row.")
    return None


def _misspelt_type(scene: Scene) -> SqlError | None:
    if scene.token and scene.previous and scene.token.text == "<" and scene.taken == "BARE_NAME":
        close = get_close_matches(scene.previous.text.upper()[:_WORD_MAX], ("ARRAY", "MAP", "STRUCT"), 1, 0.6)
        return scene.error(scene.previous, f"{shown(scene.previous)} takes no < > behind it.", f"Did you mean {close[0]}?") if close else None
    return None


def _missing_and(scene: Scene) -> SqlError | None:
    if scene.token and scene.token.text[0] not in "([+-*" and scene.accepts("AND", scene.token.terminals):
        return scene.error(scene.token, f"{shown(scene.token)} is not expected here.", "Is AND or OR missing before it?")
    return None


def _missing_comma(scene: Scene) -> SqlError | None:
    if scene.token and scene.token.text[0] not in "([+-*" and scene.accepts(",", scene.token.terminals):
        return scene.error(scene.token, f"{shown(scene.token)} is not expected here.", "Is a comma missing before it?")
    return None


def _wrong_quotes(scene: Scene) -> SqlError | None:
    token, terminals = scene.token, scene.possible()
    if token is None:
        return None
    inner = shown(token).strip(token.text[0])
    if token.terminals[0] == "QUOTED_NAME" and "STRING_LITERAL" in terminals:
        return scene.error(token, f"{shown(token)} is a quoted name, but a string is expected.", f"Write it in single quotes: '{inner}'")
    if token.terminals[0] == "STRING_LITERAL" and "QUOTED_NAME" in terminals:
        return scene.error(token, f"{shown(token)} is a string, but a name is expected.", f"Write it without quotes, or in backticks: `{inner}`")
    if token.terminals[-1] == "BARE_NAME" and "STRING_LITERAL" in terminals:
        return scene.error(token, f"{shown(token)} is not expected here.", "A string in single quotes is.")
    return None


def _dashed_name(scene: Scene) -> SqlError | None:
    token, previous = scene.token, scene.previous
    if not (token and previous and token.text in "-.:/@" and previous.end == token.start and previous.terminals[-1] == "BARE_NAME"):
        return None
    return scene.error(token, f"{token.text} is not expected here.", f"A name with {token.text} in it stands in backticks.")


def _no_from(scene: Scene) -> SqlError | None:
    words = [token.text.upper() for token in scene.tokens]
    if scene.token is None and words[:1] == ["SELECT"] and "FROM" not in words:
        return scene.error(None, "The SELECT has no FROM.", "Add FROM and the name of a stream or table.")
    return None


def _condition_in_groups(scene: Scene) -> SqlError | None:
    clauses = [clause for token in scene.tokens[: scene.index] if (clause := _clause(token))]
    if scene.token is None or not clauses or clauses[-1] not in ("GROUP BY", "PARTITION BY"):
        return None
    if scene.token.text.upper() in {*_COMPARING, "AND", "OR", "NOT", "IN", "IS", "LIKE", "BETWEEN"}:
        return scene.error(scene.token, f"{shown(scene.token)} is not expected here.", f"{clauses[-1]} takes values: put a condition in brackets.")
    if scene.token.text == "," and scene.tokens[scene.index - 2].text == "(":
        return scene.error(scene.token, "A list within the list is not expected here.", "Put all of it in brackets, or nothing.")
    return None


def _called_source(scene: Scene) -> SqlError | None:
    before = scene.tokens[scene.index - 2].text.upper() if scene.index >= 2 else ""
    if scene.token and scene.previous and scene.token.text == "(" and before in ("FROM", "JOIN"):
        return scene.error(
            scene.previous,
            f"{shown(scene.previous)} is called here, but a source is a name.",
            "Table functions like EXPLODE stand in the SELECT list.",
        )
    return None


def _unexpected(scene: Scene) -> SqlError:
    terminals = scene.possible()
    said = [_SAID[symbol] for symbol in terminals if symbol in _SAID]
    if "CASE" in terminals:
        said = ["an expression"]
    else:
        said += ["a name"] if "BARE_NAME" in terminals else []
        said += sorted(symbol for symbol in terminals if symbol in scene.table.keywords)[: max(0, _SHOWN_MAX - len(said))]
    # Behind an expression an operator can always stand; only what is rarer is worth telling.
    signs = [",", ")", "]"] if "+" in terminals else [",", ")", "]", ">", "=", ":="]
    said += [sign for sign in signs if sign in terminals]
    if not said and "(" in terminals:
        said = ["("]
    mend = f"Expected {_either(said)}." if said else ""
    if scene.token is None:
        return scene.error(None, "The statement ends too soon.", mend)
    return scene.error(scene.token, f"{shown(scene.token)} is not expected here.", mend)


def _either(said: list[str]) -> str:
    return said[0] if len(said) == 1 else f"{', '.join(said[:-1])} or {said[-1]}"


_SLIPS: tuple[Callable[[Scene], SqlError | None], ...] = (
    _unreadable, _misspelt, _no_statement, _not_in_streams, _other_language, _no_from, _bracket, _clause_order,
    _condition_in_groups, _called_source, _missing_expression, _reserved, _wrong_quotes,
    _quote_in_string, _rows, _misspelt_type, _missing_comma, _missing_and, _dashed_name, _unexpected,
)  # fmt: skip
