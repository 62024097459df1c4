"""The SELECT list: stars spread out, names given, and each key column matched with the item that stands for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from penstock.errors import Position, SqlError
from penstock.plan import expressions as ex
from penstock.plan.relation import KeyChoice
from penstock.plan.scope import PSEUDO_TYPES, RESERVED, WINDOW_BOUNDS, Scope, ScopeColumn, column_of
from penstock.plan.text import expression_text
from penstock.plan.typed import Typing, typed
from penstock.sql import ast
from penstock.sql.types import NULL, Array, Map, SqlType, Struct, quote


@dataclass(frozen=True)
class Item:
    """A column of the answer. `given` is false where its name was made up, not written as an alias."""

    name: str
    expr: ex.Expr
    position: Position | None
    given: bool = False


class Namer:
    """Names for select items without an alias: KSQL_COL_0, 1, ... and field names, clear of the sources' columns and of each other."""

    def __init__(self, scope: Scope) -> None:
        self._source_names = {c.name for c in scope.columns}
        self._fields: set[str] = set()
        self._count = 0

    def generated(self) -> str:
        """The next KSQL_COL_n."""
        while True:
            name = f"KSQL_COL_{self._count}"
            self._count += 1
            if name not in self._source_names:
                return name

    def field(self, name: str) -> str:
        """A field's name, or with _1, _2, ... where that is taken."""
        number, unique = 0, name
        while unique in self._source_names or unique in self._fields:
            number += 1
            unique = f"{name}_{number}"
        self._fields.add(unique)
        return unique


SelectItems = Sequence[ast.SelectItem | ast.SelectAll | ast.SelectStructAll]


def expand(items: SelectItems, t: Typing, namer: Namer, *, bounds: bool, keys_last: bool) -> list[Item]:
    """The columns that a SELECT list asks for. `bounds`: a star over a windowed source brings its window's bounds too (in joins it always
    does). `keys_last`: a star as it stands over PARTITION BY."""
    found: list[Item] = []
    for item in items:
        match item:
            case ast.SelectAll(source):
                found += _star(item, source, t.scope, bounds=bounds, keys_last=keys_last)
            case ast.SelectStructAll(base):
                found += _struct_star(item, typed(base, t), namer)
            case ast.SelectItem(expression, alias):
                expr = typed(expression, t)
                _check_alias(alias, item.position or expression.position)
                name = alias if alias is not None else _name(expression, t.scope, namer)
                found.append(Item(name, expr, expression.position or item.position, alias is not None))
    return found


def _star(item: ast.SelectAll, alias: str | None, scope: Scope, *, bounds: bool, keys_last: bool) -> list[Item]:
    sources = scope.sources if alias is None else (scope.source(alias, item.position),)
    columns: list[ScopeColumn] = list(scope.extra) if alias is None else []
    for source in sources:
        own = source.columns
        keys = [c for c in own if c.key]
        windows = [c for c in own if c.name in WINDOW_BOUNDS] if bounds or scope.joined else []
        values = [c for c in own if not c.key and not c.pseudo]
        pseudo = [c for c in own if c.name in PSEUDO_TYPES and c.pseudo] if scope.joined else []
        columns += [*values, *pseudo, *keys] if keys_last else [*keys, *windows, *values]
    return [Item(f"{c.alias}_{c.name}" if scope.joined and c.alias else c.name, column_of(c), item.position) for c in columns]


def _struct_star(item: ast.SelectStructAll, base: ex.Expr, namer: Namer) -> list[Item]:
    if not isinstance(base.type, Struct):
        raise SqlError(f"Cannot expand {expression_text(base)}->*: it is {base.type}, not a STRUCT.", mend="Name the columns.",
                       position=item.position)
    return [Item(namer.field(f.name), ex.Field(f.type, base, f.name), item.position) for f in base.type.fields]


def _name(node: ast.Expression, scope: Scope, namer: Namer) -> str:
    match node:
        case ast.ColumnRef(name, source):
            if source is not None and scope.joined and scope.is_ambiguous(name):
                return f"{source}_{name}"
            return name
        case ast.Dereference(_, name):
            return namer.field(name)
        case ast.FunctionCall(name, ()) if name in WINDOW_BOUNDS:
            return name
    return namer.generated()


def _check_alias(alias: str | None, position: Position | None) -> None:
    if alias in RESERVED:
        raise SqlError(f"{quote(alias)} is a reserved column name. You cannot use it as an alias for a column.", mend="Take another alias.",
                       position=position)


# ---------------------------------------------------------------------------------------------- keys


@dataclass(frozen=True)
class Projection:
    """`keys`: for each key column the item that stands for it, or None where it was not selected. `values`: the other items."""

    keys: tuple[Item | None, ...]
    values: tuple[Item, ...]


def split(items: Sequence[Item], keys: Sequence[KeyChoice]) -> Projection:
    """Part the items into key and value columns."""
    chosen: list[Item | None] = []
    for key in keys:
        chosen.append(next((i for viable in key.viable for i in items if i.expr == viable and i not in chosen), None))
    return Projection(tuple(chosen), tuple(i for i in items if not any(i is c for c in chosen)))


def check_persistent(projection: Projection, keys: Sequence[KeyChoice], key_of: str, target: str, position: Position | None) -> None:
    """What a query that writes a topic asks of its SELECT list. Raises SqlError."""
    _check_keys(projection, keys, key_of, target, position)
    key_names = [k.name for k in projection.keys if k is not None]
    values = projection.values
    for item in values:
        if item.name in RESERVED:
            raise SqlError(f"Reserved column name in select: {quote(item.name)}. Please remove or alias the column.", position=item.position)
    if not values:
        raise SqlError("The projection contains no value columns.", mend="Add one; AS_VALUE(key) copies a key column.", position=position)
    for number, item in enumerate(values):
        if item.name in key_names or any(item.name == other.name for other in values[:number]):
            raise SqlError(f"Duplicate value columns found in schema: {quote(item.name)} {item.expr.type}.", mend="Give one an alias with AS.",
                           position=item.position)
    for item in (*(k for k in projection.keys if k), *values):
        check_known(item)


def check_known(item: Item) -> None:
    """Refuse a column whose type is that of a bare NULL."""
    if has_null_type(item.expr.type):
        raise SqlError("Can't infer a type of null. Please explicitly cast it to a required type, e.g. CAST(null AS VARCHAR).",
                       position=item.position)


def has_null_type(type_: SqlType) -> bool:
    """Whether a bare NULL decides a part of `type_`."""
    match type_:
        case Array(item):
            return has_null_type(item)
        case Map(key, value):
            return has_null_type(key) or has_null_type(value)
        case Struct(fields):
            return any(has_null_type(f.type) for f in fields)
    return type_ == NULL


def _check_keys(projection: Projection, keys: Sequence[KeyChoice], key_of: str, target: str, position: Position | None) -> None:
    missing = [key for key, item in zip(keys, projection.keys, strict=True) if item is None]
    if missing and key_of == "foreign key join" and all("." in key.column.name for key in missing):  # not a made ROWKEY
        _fail_foreign(missing, position)
    if missing:
        wanted, joined = _wanted(keys, key_of)
        example = ", ".join(expression_text(k.viable[0]) for k in keys)
        raise SqlError(f"The query used to build `{target}` must include the {wanted} {joined} in its projection (eg, SELECT {example}...).",
                       position=position)
    for key, item in zip(keys, projection.keys, strict=True):
        assert item is not None
        again = next((v for v in projection.values if v.expr == item.expr), None)
        if again is not None:
            shown = _tick(key.column.name)
            raise SqlError(f"The projection contains a key column ({shown}) more than once, aliased as: {item.name} and {again.name}.",
                           mend=f"Use AS_VALUE({item.name}) for the copy.", position=again.position)


def _tick(name: str) -> str:
    return f"`{name}`"


def _wanted(keys: Sequence[KeyChoice], key_of: str) -> tuple[str, str]:
    texts = [expression_text(v) for v in keys[0].viable] if len(keys) == 1 else [expression_text(k.viable[0]) for k in keys]
    link = " or " if len(keys) == 1 and len(texts) > 1 else " and "
    joined = texts[0] if len(texts) == 1 else ", ".join(texts[:-1]) + link + texts[-1]
    return key_of + ("s" if len(texts) > 1 else ""), joined


def _fail_foreign(missing: Sequence[KeyChoice], position: Position | None) -> None:
    names = [k.column.name.split(".", 1) for k in missing]
    many = len(missing) > 1
    columns = ", ".join(_tick(name) for _, name in names)
    noun = "columns" if many else "column"
    raise SqlError(f"Primary key {noun} missing in projection. For foreign-key table-table joins, the projection must include all primary key "
                   f"columns from the left input table ({_tick(names[0][0])}). Missing {noun}: {columns}.", position=position)

