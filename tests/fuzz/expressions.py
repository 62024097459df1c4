"""Random expressions of a wanted type over given columns, from the grammar and from the functions' own signatures."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from tests.fuzz.values import MONEY, NESTED, PAIR, SCALARS, TYPES, literal

from penstock import functions
from penstock.functions.define import Kind
from penstock.functions.definition import AnyDecimal, IntervalUnitType, LambdaType, Variable
from penstock.functions.signature import Signature
from penstock.sql.types import (
    BIGINT,
    BOOLEAN,
    BYTES,
    DATE,
    DOUBLE,
    INTEGER,
    STRING,
    TIME,
    TIMESTAMP,
    Array,
    Decimal,
    Map,
    SqlType,
    Struct,
    is_numeric,
)

UNITS = ("MILLISECONDS", "SECONDS", "MINUTES", "HOURS", "DAYS")
NUMBERS: tuple[SqlType, ...] = (INTEGER, BIGINT, DOUBLE, MONEY)
COMPARED: tuple[SqlType, ...] = (*NUMBERS, STRING, DATE, TIME, TIMESTAMP, BYTES)
WRONG = 0.02
"""How often an expression is of another type than is wanted."""
NULLS = 0.04


@dataclass(frozen=True)
class Form:
    """One form of a function, and which of its parameters want a constant."""

    signature: Signature
    constants: frozenset[str]


@cache
def forms(kind: Kind) -> tuple[Form, ...]:
    """Every form of every built-in function of a kind."""
    return tuple(
        Form(o.signature, frozenset(o.constants)) for f in functions.all_functions() if f.kind == kind and f.builtin for o in f.overloads
    )


def bind(pattern: SqlType, type_: SqlType, bound: dict[str, SqlType]) -> bool:
    """Whether a signature's type can be a type; fills in its variables."""
    match pattern, type_:
        case Variable(name), _:
            return bound.setdefault(name, type_) == type_
        case AnyDecimal(), Decimal():
            return True
        case Array(item), Array(other):
            return bind(item, other, bound)
        case Map(key, value), Map(other_key, other_value):
            return bind(key, other_key, bound) and bind(value, other_value, bound)
    return pattern == type_


def concrete(pattern: SqlType, bound: dict[str, SqlType], chance: random.Random) -> SqlType:
    """A signature's type with its variables settled, those that are free at random."""
    match pattern:
        case Variable(name):
            return bound.setdefault(name, chance.choice(SCALARS if chance.random() < 0.8 else NESTED))
        case AnyDecimal():
            return MONEY
        case Array(item):
            return Array(concrete(item, bound, chance))
        case Map(key, value):
            if isinstance(key, Variable) and chance.random() < 0.9:
                bound.setdefault(key.name, STRING)
            return Map(concrete(key, bound, chance), concrete(value, bound, chance))
        case LambdaType(parameters, returns):
            return LambdaType(tuple(concrete(p, bound, chance) for p in parameters), concrete(returns, bound, chance))
    return pattern


@dataclass(frozen=True)
class Scope:
    """Columns by their SQL. `lambdas` counts the lambdas around a place, which names their parameters; with `plain` there is nothing that
    ordinary SQL has not."""

    columns: Mapping[str, SqlType]
    chance: random.Random = field(compare=False)
    lambdas: int = 0
    plain: bool = False

    def some(self, type_: SqlType | None = None, depth: int = 3) -> str:
        """An expression of a type, or of any."""
        chance = self.chance
        if self.plain and (type_ is None or type_ not in SCALARS):
            type_ = chance.choice(SCALARS)
        type_ = type_ or chance.choice(SCALARS if chance.random() < 0.7 else TYPES)
        if chance.random() < WRONG:
            type_ = chance.choice(TYPES)
        if chance.random() < NULLS:
            return "NULL" if chance.random() < 0.2 else f"CAST(NULL AS {type_})"
        fitting = [name for name, t in self.columns.items() if t == type_]
        if fitting and chance.random() < (0.4 if depth > 0 else 0.8):
            return chance.choice(fitting)
        if depth <= 0 or chance.random() < 0.15:
            return literal(type_, chance)
        for _ in range(4):
            made = chance.choice((self.call, self.call, self.call, self.special, self.special, self.case, self.cast, self.part))(type_, depth - 1)
            if made is not None:
                return made
        return literal(type_, chance)

    def call(self, type_: SqlType, depth: int, kind: Kind = "SCALAR") -> str | None:
        """A call of a function that returns the type."""
        found: list[tuple[Form, dict[str, SqlType]]] = []
        for form in forms(kind):
            bound: dict[str, SqlType] = {}
            if bind(form.signature.returns, type_, bound):
                found.append((form, bound))
        if not found:
            return None
        # by name first: a function of twenty forms is no more to be called than one of one
        name = self.chance.choice(sorted({form.signature.name for form, _ in found}))
        form, bound = self.chance.choice([f for f in found if f[0].signature.name == name])
        return self.called(form, dict(bound), depth)

    def called(self, form: Form, bound: dict[str, SqlType], depth: int) -> str:
        """A call of a function with random arguments."""
        signature = form.signature
        fixed = sum(not p.variadic for p in signature.parameters)
        parameters = signature.spread(fixed + (self.chance.randint(0, 3) if fixed < len(signature.parameters) else 0)) or ()
        arguments = []
        for parameter in parameters:
            wanted = concrete(parameter.type, bound, self.chance)
            if isinstance(wanted, LambdaType):
                arguments.append(self.function(wanted, depth))
            elif isinstance(wanted, IntervalUnitType):
                arguments.append(self.chance.choice(UNITS))
            elif parameter.name in form.constants:
                arguments.append(literal(wanted, self.chance))
            else:
                arguments.append(self.some(wanted, depth))
        return f"{signature.name}({', '.join(arguments)})"

    def function(self, type_: LambdaType, depth: int) -> str:
        """A lambda."""
        names = [f"x{self.lambdas}_{i}" for i in range(len(type_.parameters))]
        inner = replace(self, columns={**self.columns, **dict(zip(names, type_.parameters, strict=True))}, lambdas=self.lambdas + 1)
        return f"({', '.join(names)}) => {inner.some(type_.returns, depth)}"

    def special(self, type_: SqlType, depth: int) -> str | None:
        """What the grammar alone has for a type: arithmetic, conditions, constructors."""
        chance = self.chance
        if type_ == BOOLEAN:
            return self.condition(depth)
        if is_numeric(type_):
            other = chance.choice(NUMBERS) if type_ == DOUBLE else type_
            sides = [self.some(type_, depth), self.some(other, depth)]
            chance.shuffle(sides)
            return chance.choice((f"({sides[0]} {chance.choice('+-*/%')} {sides[1]})", f"(-{sides[0]})"))
        if type_ == STRING:
            return f"({self.some(STRING, depth)} {chance.choice(('+', '||'))} {self.some(STRING, depth)})"
        match type_:
            case Array(item):
                return f"ARRAY[{', '.join(self.some(item, depth) for _ in range(chance.randint(1, 3)))}]"
            case Map(key, value):
                entries = (f"{self.some(key, depth)} := {self.some(value, depth)}" for _ in range(chance.randint(1, 2)))
                return f"MAP({', '.join(entries)})"
            case Struct(fields):
                return f"STRUCT({', '.join(f'`{f.name}` := {self.some(f.type, depth)}' for f in fields)})"
        return None

    def condition(self, depth: int) -> str:
        """A BOOLEAN from the grammar."""
        chance = self.chance
        match chance.randrange(8):
            case 0:
                return f"({self.some(BOOLEAN, depth)} {chance.choice(('AND', 'OR'))} {self.some(BOOLEAN, depth)})"
            case 1:
                return f"(NOT {self.some(BOOLEAN, depth)})"
            case 2:
                return f"({self.some(None, depth)} IS {chance.choice(('', 'NOT '))}NULL)"
            case 3:
                return f"({self.some(STRING, depth)} {chance.choice(('', 'NOT '))}LIKE {self.some(STRING, 0)})"
            case 4:
                type_ = chance.choice(COMPARED)
                listed = ", ".join(self.some(type_, 0) for _ in range(chance.randint(1, 3)))
                return f"({self.some(type_, depth)} {chance.choice(('', 'NOT '))}IN ({listed}))"
            case 5:
                type_ = chance.choice((*NUMBERS, STRING, DATE))
                return f"({self.some(type_, depth)} {chance.choice(('', 'NOT '))}BETWEEN {self.some(type_, 0)} AND {self.some(type_, 0)})"
        type_ = chance.choice(COMPARED)
        sign = chance.choice(("=", "<>", "!=", "<", "<=", ">", ">=", "IS DISTINCT FROM", "IS NOT DISTINCT FROM"))
        return f"({self.some(type_, depth)} {sign} {self.some(type_, depth)})"

    def case(self, type_: SqlType, depth: int) -> str:
        """A CASE."""
        arms = " ".join(f"WHEN {self.some(BOOLEAN, depth)} THEN {self.some(type_, depth)}" for _ in range(self.chance.randint(1, 2)))
        default = f" ELSE {self.some(type_, depth)}" if self.chance.random() < 0.7 else ""
        return f"CASE {arms}{default} END"

    def cast(self, type_: SqlType, depth: int) -> str:
        """A CAST from something."""
        source = type_ if self.chance.random() < 0.2 else self.chance.choice((STRING, *SCALARS) if type_ in SCALARS else (type_, STRING))
        return f"CAST({self.some(source, depth)} AS {type_})"

    def part(self, type_: SqlType, depth: int) -> str:
        """An item of an ARRAY or MAP, or a field of a STRUCT."""
        if type_ in (INTEGER, STRING) and self.chance.random() < 0.4:
            return f"{self.some(PAIR, depth)}->{'A' if type_ == INTEGER else '`b`'}"
        if self.chance.random() < 0.5:
            return f"{self.some(Array(type_), depth)}[{self.some(INTEGER, 0)}]"
        return f"{self.some(Map(STRING, type_), depth)}[{self.some(STRING, 0)}]"

    def aggregate(self, depth: int = 2) -> str:
        """A call of an aggregate function over columns."""
        name = self.chance.choice(sorted({form.signature.name for form in forms("AGGREGATE")}))
        form = self.chance.choice([f for f in forms("AGGREGATE") if f.signature.name == name])
        if name == "COUNT" and self.chance.random() < 0.3:
            return "COUNT(*)"
        return self.called(form, {}, depth)

    def exploded(self) -> str:
        """A call of a table function."""
        return self.called(self.chance.choice(forms("TABLE")), {}, 1)


def typed_columns(prefix: str, columns: Mapping[str, SqlType]) -> dict[str, SqlType]:
    """Columns under a source's alias."""
    return {f"{prefix}.{name}": type_ for name, type_ in columns.items()}


def listed(items: Sequence[str], chance: random.Random) -> str:
    """Items of a SELECT, some with names."""
    return ", ".join(f"{item} AS n{i}" if chance.random() < 0.8 else item for i, item in enumerate(items))
