"""What a function takes and returns, as text: `LPAD(text STRING, length INTEGER, padding STRING) -> STRING`.

Types are written as in SQL. A single capital letter is a type variable (`ARRAY<T>`), DECIMAL alone is a DECIMAL of any precision and scale, UNIT a
bare interval unit, `parts STRING...` takes any number of arguments (none included), and `(T) => U` is a lambda.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from penstock.functions.definition import AnyDecimal, IntervalUnitType, LambdaType, Variable
from penstock.sql.types import ALIASES, PRIMITIVES, Array, Decimal, Field, Map, SqlType, Struct

_TOKEN = re.compile(r"\s*(->|=>|\.\.\.|\w+|[^\s\w])")


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter; a variadic one takes any number of arguments."""

    name: str
    type: SqlType
    variadic: bool = False

    def __str__(self) -> str:
        return f"{self.name} {written(self.type)}{'...' if self.variadic else ''}"


@dataclass(frozen=True, slots=True)
class Signature:
    """The name of a function, what one of its forms takes, and what that returns."""

    name: str
    parameters: tuple[Parameter, ...]
    returns: SqlType

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.parameters))}) -> {written(self.returns)}"

    def spread(self, count: int) -> tuple[Parameter, ...] | None:
        """One parameter for each of `count` arguments: a variadic one is repeated as often as needed. None where they do not fit."""
        variadic = next((i for i, p in enumerate(self.parameters) if p.variadic), None)
        if variadic is None:
            return self.parameters if count == len(self.parameters) else None
        repeats = count - (len(self.parameters) - 1)
        if repeats < 0:
            return None
        return self.parameters[:variadic] + (self.parameters[variadic],) * repeats + self.parameters[variadic + 1 :]


def written(type_: SqlType) -> str:
    """A type of a signature as it is shown to users: `(T) => U` for a lambda, the rest as SQL."""
    match type_:
        case LambdaType(parameters, returns):
            return f"({', '.join(map(written, parameters))}) => {written(returns)}"
        case IntervalUnitType():
            return "UNIT"
        case Array(item):
            return f"ARRAY<{written(item)}>"
        case Map(key, value):
            return f"MAP<{written(key)}, {written(value)}>"
        case Struct(fields):
            return f"STRUCT<{', '.join(f'{f.name} {written(f.type)}' for f in fields)}>"
    return str(type_)


def parse(text: str, bind: Mapping[str, SqlType] | None = None) -> Signature:
    """Read a signature; `bind` replaces type variables (the N of `ABS(x N) -> N`) at once.

    Raises ValueError where the text is not a signature: it is a mistake in a definition, never a user's.
    """
    return _Reader(text, bind or {}).signature()


class _Reader:
    """Recursive descent over the tokens of one signature."""

    def __init__(self, text: str, bind: Mapping[str, SqlType]) -> None:
        self.text = text
        self.tokens = [*_TOKEN.findall(text), ""]
        self.at = 0
        self.bind = bind

    def signature(self) -> Signature:
        name = self.take()
        self.expect("(")
        parameters = []
        while self.peek() != ")":
            parameters.append(self.parameter())
            if self.peek() == ",":
                self.take()
        self.expect(")")
        self.expect("->")
        returns = self.type()
        self.expect("")
        return Signature(name, tuple(parameters), returns)

    def parameter(self) -> Parameter:
        name, type_, variadic = self.take(), self.type(), False
        if self.peek() == "...":
            self.take()
            variadic = True
        return Parameter(name, type_, variadic)

    def type(self) -> SqlType:
        word = self.take()
        if word == "(":
            parameters = [self.type()]
            while self.peek() == ",":
                self.take()
                parameters.append(self.type())
            self.expect(")")
            self.expect("=>")
            return LambdaType(tuple(parameters), self.type())
        match word:
            case "ARRAY":
                (item,) = self.between(1)
                return Array(item)
            case "MAP":
                key, value = self.between(2)
                return Map(key, value)
            case "STRUCT":
                self.expect("<")
                fields = [Field(self.take(), self.type())]
                while self.peek() == ",":
                    self.take()
                    fields.append(Field(self.take(), self.type()))
                self.expect(">")
                return Struct(tuple(fields))
            case "DECIMAL" if self.peek() == "(":
                self.take()
                precision = int(self.take())
                self.expect(",")
                scale = int(self.take())
                self.expect(")")
                return Decimal(precision, scale)
            case "DECIMAL":
                return AnyDecimal()
            case "UNIT":
                return IntervalUnitType()
        if word in self.bind:
            return self.bind[word]
        if len(word) == 1 and word.isupper():
            return Variable(word)
        if word in ALIASES or word in PRIMITIVES:
            return ALIASES.get(word) or PRIMITIVES[word]
        raise ValueError(f"no type {word!r} in the signature {self.text!r}")

    def between(self, count: int) -> list[SqlType]:
        self.expect("<")
        types = []
        for position in range(count):
            if position:
                self.expect(",")
            types.append(self.type())
        self.expect(">")
        return types

    def peek(self) -> str:
        return str(self.tokens[self.at])

    def take(self) -> str:
        token: str = self.tokens[self.at]
        self.at += 1
        return token

    def expect(self, token: str) -> None:
        if self.take() != token:
            raise ValueError(f"expected {token or 'the end'!r} after {' '.join(self.tokens[: self.at - 1])!r} in the signature {self.text!r}")
