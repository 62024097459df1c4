"""Typed expressions as DuckDB SQL: the one way in which Penstock evaluates them.

A step's columns are `c0`, `c1`, ... in its rows (names of users may differ by case alone, which DuckDB cannot tell apart); beside them stand
the row's meta columns, named in `engine.stage`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal as PyDecimal

from penstock import functions
from penstock.engine.evaluate import NULL_IN_LAMBDA
from penstock.functions.casts import cast_sql, wrapped
from penstock.functions.definition import Argument, LambdaArgument, LambdaType, LiteralArgument, PythonFunction, Resolved
from penstock.functions.duckdb import duckdb_type, field_name, field_names, text
from penstock.functions.duckdb import quoted as identifier
from penstock.plan import expressions as ex
from penstock.plan.text import expression_text, name_text
from penstock.plan.walk import descend, rewrite
from penstock.sql.types import BIGINT, DOUBLE, INTEGER, NULL, STRING, Decimal, Map, Primitive, SqlType, Struct


def constant(value: object, type_: SqlType) -> str:
    """SQL of a constant of a type. AssertionError for a value that no literal has."""
    if value is None:
        return "NULL" if type_ == NULL else f"CAST(NULL AS {duckdb_type(type_)})"
    match value:
        case bool():
            return "TRUE" if value else "FALSE"
        case bytes():
            return "'" + "".join(f"\\x{b:02X}" for b in value) + "'::BLOB"
        case str():
            return text(value)
        case int() | PyDecimal():
            return f"CAST('{value}' AS {duckdb_type(type_)})" if isinstance(type_, Decimal) else f"CAST({value} AS {duckdb_type(type_)})"
        case float():
            return f"CAST('{value!r}' AS DOUBLE)"
        case datetime():
            return f"TIMESTAMP '{value.isoformat(sep=' ')}'"
        case date():
            return f"DATE '{value.isoformat()}'"
        case time():
            return f"TIME '{value.isoformat()}'"
    raise AssertionError(f"no constant for {value!r}")


def argument_of(expr: ex.Expr) -> Argument:
    """How a function's resolution sees an argument: a constant with its value, else its type."""
    if isinstance(expr.type, LambdaType):
        returns = expr.type.returns
        return LambdaArgument(len(expr.type.parameters), lambda _: returns)
    if isinstance(expr, ex.Literal) and not isinstance(expr.value, bytes | date | time):
        return LiteralArgument(expr.type, expr.value)
    return expr.type


@dataclass(frozen=True)
class Compiled:
    """What SQL was made of: an expression over columns, as a condition or a value; whether its value may differ from call to call."""

    expr: ex.Expr
    columns: Mapping[str, str]
    is_condition: bool
    volatile: bool

    def guarded(self) -> str:
        """The SQL in which each part that fails is NULL by itself."""
        compiler = Compiler(self.columns, guarded=True)
        return compiler.predicate(self.expr) if self.is_condition else compiler(self.expr)


    def drawn(self, held: dict[str, str]) -> tuple[str, Compiled]:
        """The SQL over columns that hold what the volatile calls gave, each computed once: DuckDB allows no TRY around one. `held` gets their SQL by
        the names of those columns."""
        columns = dict(self.columns)

        def hold(expr: ex.Expr) -> ex.Expr | None:
            if not isinstance(expr, ex.Call) or expr.arguments:
                return None
            compiler = Compiler({})
            sql = compiler(expr)
            if not compiler.compiled[sql].volatile:
                return None
            name = f"_v{len(held)}"
            held[name], columns[name] = sql, name
            return ex.Column(expr.type, name)

        compiler = Compiler(columns)
        expr = rewrite(self.expr, hold)
        sql = compiler.predicate(expr) if self.is_condition else compiler(expr)
        return sql, compiler.compiled[sql]


SHOWN_MAX = 100
"""How much of a value a message shows."""


def varchar(parameter: str) -> str:
    """SQL of a lambda's parameter as text."""
    return f"CAST({identifier('p_' + parameter)} AS VARCHAR)"


def opposite(value: object, type_: SqlType) -> object:
    """A literal number's negation; the least whole number of a type has none, and stays as it is, as in Java."""
    match value:
        case int():
            least = -(2**31) if type_ == INTEGER else -(2**63)
            return value if value == least else -value
        case PyDecimal():
            return value.copy_negate()
        case float():
            return -value
    return value


FALLIBLE = ex.Arithmetic | ex.Negate | ex.Concat | ex.Cast | ex.Call | ex.Item | ex.MakeMap
"""Expressions that can fail on a row's values although their parts did not."""


@dataclass
class Compiler:
    """Compiles expressions over one relation. `columns`: a column's name in the plan -> its SQL. `needs` gathers the Python functions that the
    SQL calls. With `guarded` each part of an expression that can fail stands in a TRY of its own, so that it is NULL there and the rest goes on:
    in ksqlDB `IFNULL(CAST('x' AS INT), 0)` is 0. `compiled` remembers what each SQL was made of."""

    columns: Mapping[str, str]
    needs: dict[str, PythonFunction] = field(default_factory=dict)
    guarded: bool = False
    compiled: dict[str, Compiled] = field(default_factory=dict)
    _volatile: bool = False
    _lambdas: list[tuple[str, ...]] = field(default_factory=list)  # the parameters of each lambda around the present place
    _sum: bool = False  # whether the present place is an operand of arithmetic
    _refusals: int = 0  # how many places there are so far at which a lambda fails for NULL

    def __call__(self, expr: ex.Expr) -> str:
        """SQL of the expression's value."""
        return self._whole(expr, self.compile)

    def predicate(self, expr: ex.Expr) -> str:
        """SQL of a condition where NULL and false are the same, which spares the wrapping of comparisons."""
        return self._whole(expr, self._condition)

    def _whole(self, expr: ex.Expr, compile_: Callable[[ex.Expr], str]) -> str:
        around, self._volatile = self._volatile, False  # a CASE has conditions within an expression
        sql = compile_(expr)
        self.compiled[sql] = Compiled(expr, self.columns, compile_ == self._condition, self._volatile)
        self._volatile |= around
        return sql

    def _condition(self, expr: ex.Expr) -> str:
        match expr:
            case ex.Logical(_, op, left, right):
                return f"({self._condition(left)} {op} {self._condition(right)})"
            case ex.Comparison(_, op, left, right):
                return f"({self.compile(left)} {op} {self.compile(right)})"
            case ex.Between(_, operand, low, high):
                return f"({self.compile(operand)} BETWEEN {self.compile(low)} AND {self.compile(high)})"
        return self.compile(expr)

    def compile(self, expr: ex.Expr) -> str:
        """SQL of a part of an expression."""
        # DuckDB allows no TRY around a volatile function. Inside a lambda an error is the whole call's, as in ksqlDB.
        if not self.guarded or self._lambdas or not isinstance(expr, FALLIBLE):
            return self._sql(expr)
        around, self._volatile = self._volatile, False
        sql = self._sql(expr)
        inside, self._volatile = self._volatile, self._volatile or around
        return sql if inside else f"TRY({sql})"

    def _sql(self, expr: ex.Expr) -> str:
        if not isinstance(expr, ex.Arithmetic | ex.Negate):
            around, self._sum = self._sum, False
            sql = self._plain(expr)
            self._sum = around
            return sql
        outermost, self._sum = not self._sum, True
        sql = self._plain(expr)
        if not outermost:
            return sql
        self._sum = False
        return self._refusing_null(sql, expr) if self._lambdas else sql

    def _refusing_null(self, sql: str, expr: ex.Expr) -> str:
        """Arithmetic in a lambda's body: a NULL there is an error, which makes the value of the whole call NULL, as in ksqlDB."""
        self._refusals += 1
        known = {name for names in self._lambdas for name in names}
        read = sorted({part.name for part in descend(expr) if isinstance(part, ex.Parameter)} & known)
        values = ", ".join(f"{text(name_text(name) + ' is ')} || coalesce(left({varchar(name)}, {SHOWN_MAX}), 'NULL')" for name in read)
        where = f"', where ' || concat_ws(', ', {values})" if read else "''"
        # Text that is no number, and not known before a row is: DuckDB's own error() cannot stand inside TRY.
        unknown = f"coalesce(left({varchar(self._lambdas[-1][0])}, 0), '')"
        shown = expression_text(expr)
        shown = (shown[1:-1] if shown.startswith("(") else shown)[:SHOWN_MAX]
        error = f"{text(shown + NULL_IN_LAMBDA)} || {where} || '; COALESCE gives NULL a value' || {unknown}"
        return f"coalesce({sql}, CAST(({error}) AS {duckdb_type(expr.type)}))"

    def _plain(self, expr: ex.Expr) -> str:
        match expr:
            case ex.Column(_, name):
                return self.columns[name]
            case ex.Parameter(_, name):
                return identifier("p_" + name)
            case ex.RowTime():
                return "_t"
            case ex.WindowBound(_, bound):
                return "_ws" if bound == "START" else "_we"
            case ex.Literal(type_, value):
                return constant(value, type_)
            case ex.Unit(_, unit):
                return text(unit)
            case ex.Field(_, base, name):
                assert isinstance(base.type, Struct)
                return f"struct_extract({self.compile(base)}, {text(field_name(base.type, name))})"
            case ex.Item(_, base, index):
                extract = "map_extract_value" if isinstance(base.type, Map) else "list_extract"
                return f"{extract}({self.compile(base)}, {self.compile(index)})"
            case ex.Arithmetic():
                return self.arithmetic(expr)
            case ex.Concat(_, left, right):
                return f"({self.compile(left)} || {self.compile(right)})"
            case ex.Negate(_, operand):
                return self.negated(expr.type, operand)
            case ex.Comparison(_, op, left, right):
                sql = f"({self.compile(left)} {op} {self.compile(right)})"
                return sql if op.startswith("IS") else f"coalesce({sql}, FALSE)"
            case ex.Logical(_, op, left, right):
                first, refusals = self.compile(left), self._refusals
                second = self.compile(right)
                if self._refusals == refusals:
                    return f"({first} {op} {second})"
                # what the left side has decided must keep the right one from failing
                return f"CASE WHEN {first} THEN {second} ELSE FALSE END" if op == "AND" else f"CASE WHEN {first} THEN TRUE ELSE {second} END"
            case ex.Not(_, operand):
                return f"(NOT {self.compile(operand)})"
            case ex.Between(_, operand, low, high):
                return f"coalesce({self.compile(operand)} BETWEEN {self.compile(low)} AND {self.compile(high)}, FALSE)"
            case ex.In(_, operand, options):
                return f"coalesce({self.compile(operand)} IN ({', '.join(map(self.compile, options))}), FALSE)"
            case ex.Like(_, operand, pattern, escape):
                tail = f" ESCAPE {text(escape)}" if escape else ""
                return f"coalesce({self.compile(operand)} LIKE {self.compile(pattern)}{tail}, FALSE)"
            case ex.IsNull(_, operand):
                return f"({self.compile(operand)} IS NULL)"
            case ex.Case(type_, whens, default):
                arms = " ".join(f"WHEN {self.predicate(c)} THEN {self.compile(r)}" for c, r in whens)
                otherwise = self.compile(default) if default else constant(None, type_)
                return f"(CASE {arms} ELSE {otherwise} END)"
            case ex.Cast(type_, operand):
                return self.cast(operand, type_)
            case ex.Lambda(_, parameters, body):
                self._lambdas.append(parameters)
                sql = f"lambda {', '.join(identifier('p_' + p) for p in parameters)}: {self.compile(body)}"
                self._lambdas.pop()
                return sql
            case ex.Call(_, name, arguments):
                resolved = functions.resolve_scalar(name, [argument_of(a) for a in arguments])
                return self.call(resolved, arguments)
            case ex.TableCall(_, name, arguments):
                resolved = functions.resolve_table(name, [argument_of(a) for a in arguments])
                return self.call(resolved, arguments)
            case ex.MakeArray(type_, items):
                return f"CAST([{', '.join(map(self.compile, items))}] AS {duckdb_type(type_)})"
            case ex.MakeMap(type_, entries):
                assert isinstance(type_, Map)
                return f"CAST({self._map(type_, entries)} AS {duckdb_type(type_)})"
            case ex.MakeStruct(type_, values):
                assert isinstance(type_, Struct)
                if not type_.fields:
                    return "struct_pack()"  # DuckDB has such values, but its SQL no name for their type
                parts = (f"{identifier(name)} := {self.compile(v)}" for name, v in zip(field_names(type_), values, strict=True))
                return f"CAST(struct_pack({', '.join(parts)}) AS {duckdb_type(type_)})"
        raise AssertionError(f"no SQL for {expr}")

    def _map(self, type_: Map, entries: tuple[tuple[ex.Expr, ex.Expr], ...]) -> str:
        """A map of entries, of which a later one replaces an earlier one of its key. A NULL key is the text null, as in ksqlDB's JSON."""
        keys = [self.compile(key) for key, _ in entries]
        if type_.key == STRING:
            keys = [f"coalesce({sql}, 'null')" for sql in keys]
        values = [self.compile(value) for _, value in entries]
        literals = {k.value for k, _ in entries if isinstance(k, ex.Literal)}
        if len(entries) == 1 or len(literals) == len(entries):
            return f"MAP([{', '.join(keys)}], [{', '.join(values)}])"
        # map_concat takes maps of one type only, and a field of a constant NULL has no type to DuckDB
        type_of_value = duckdb_type(type_.value)
        return f"map_concat({', '.join(f'MAP([{k}], [CAST({v} AS {type_of_value})])' for k, v in zip(keys, values, strict=True))})"

    def call(self, resolved: Resolved, arguments: tuple[ex.Expr, ...]) -> str:
        """SQL of a call, with what it needs noted."""
        self.needs.update((need.name, need) for need in resolved.needs)
        self._volatile |= resolved.volatile
        return resolved.sql([self.compile(argument) for argument in arguments])

    def cast(self, operand: ex.Expr, target: SqlType) -> str:
        """SQL of a value as another type, by ksqlDB's rules of CAST."""
        if operand.type == target or isinstance(operand.type, LambdaType):
            return self.compile(operand)
        if isinstance(operand, ex.Literal) and operand.value is None:
            return constant(None, target)
        convert, needs = cast_sql(operand.type, target)
        self.needs.update((need.name, need) for need in needs)
        return convert(self.compile(operand))

    def negated(self, type_: SqlType, operand: ex.Expr) -> str:
        """`-operand`. A literal's is computed here: DuckDB computes the negation of a constant while it binds, where no TRY catches its failure."""
        if isinstance(operand, ex.Literal):
            return constant(opposite(operand.value, type_), type_)
        inner = self.compile(operand)
        if self.guarded and type_ in (INTEGER, BIGINT):
            return wrapped(f"0 - {inner}::HUGEINT", 32 if type_ == INTEGER else 64)  # as in Java: the least has no counterpart
        if type_ == DOUBLE:
            return f"({inner} * -1)"  # unlike 0 minus it, this makes -0.0 of 0.0
        return f"CAST((0 - {inner}) AS {duckdb_type(type_)})"

    def arithmetic(self, expr: ex.Arithmetic) -> str:
        """SQL of + - * / %, with the result's type and Java's division of whole numbers."""
        left, right, target = self.compile(expr.left), self.compile(expr.right), duckdb_type(expr.type)
        if isinstance(expr.type, Decimal):
            if expr.op == "/":
                # exact to the result's scale, half up: DuckDB divides DECIMALs as DOUBLEs
                return f"CAST({self.decimal_division(expr, left, right)} AS {target})"
            return f"CAST(({left} {expr.op} {right}) AS {target})"
        if expr.op == "/" and expr.type != Primitive("DOUBLE"):
            return f"CAST(({left} // {right}) AS {target})"  # toward zero, as in Java
        if self.guarded and expr.op in ("+", "-", "*") and expr.type in (INTEGER, BIGINT):
            # a result beyond the type wraps around as in Java; DuckDB has found that to be an error before
            return wrapped(f"{left}::HUGEINT {expr.op} {right}::HUGEINT", 32 if expr.type == INTEGER else 64)
        return f"({left} {expr.op} {right})"

    def decimal_division(self, expr: ex.Arithmetic, left: str, right: str) -> str:
        """SQL of a DECIMAL's exact division."""
        from penstock.engine.decimals import division

        function = division(expr.left.type, expr.right.type, expr.type)
        self.needs[function.name] = function
        return f"{function.name}({left}, {right})"
