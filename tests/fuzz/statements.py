"""Random statements: queries of each kind, what makes and changes sources, and what tells of them."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace

from tests.fuzz.expressions import Scope, listed
from tests.fuzz.values import NESTED, SCALARS, TYPES, literal
from tests.fuzz.world import Source

from penstock.sql.tokens import tokenize
from penstock.sql.types import INTEGER, STRING

FORMATS = ("JSON", "AVRO", "PROTOBUF", "JSON_SR", "PROTOBUF_NOSR", "DELIMITED", "KAFKA", "NONE")
KINDS = {
    "pull": 26, "lookup": 8, "ordinary": 8, "push": 14, "create as": 16, "insert values": 10, "insert select": 3, "declare": 4, "tell": 5,
    "change": 3, "torn": 3,
}  # fmt: skip
"""The kinds of statements, and how often each comes."""


@dataclass
class Writer:
    """Writes statements over the sources that there are."""

    chance: random.Random
    sources: list[Source]
    made: int = 0
    names: list[str] = field(default_factory=list)
    """Of sources that earlier statements may have made."""
    result: str = "STREAM"
    """What the last streaming SELECT makes."""

    def statement(self) -> tuple[str, str]:
        """A kind and a statement of it."""
        kind = self.chance.choices(list(KINDS), list(KINDS.values()))[0]
        text = {
            "pull": self.pull, "lookup": self.lookup, "ordinary": self.ordinary, "push": self.push, "create as": self.create_as,
            "insert values": self.insert_values, "insert select": self.insert_select, "declare": self.declare, "tell": self.tell,
            "change": self.change, "torn": self.torn,
        }[kind]()  # fmt: skip
        return kind, text + ";"

    # ------------------------------------------------------------------------------------------ queries

    def source(self, *kinds: str) -> Source:
        return self.chance.choice([s for s in self.sources if s.kind in kinds or not kinds])

    def scope(self, source: Source, alias: str = "") -> Scope:
        prefix = f"{alias}." if alias else ""
        return Scope({f"{prefix}{name}": type_ for name, type_ in source.all.items()}, self.chance)

    def where(self, scope: Scope, often: float = 0.4) -> str:
        return f" WHERE {scope.condition(2)}" if self.chance.random() < often else ""

    def items(self, scope: Scope) -> str:
        if self.chance.random() < 0.12:
            return "*"
        return listed([scope.some() for _ in range(self.chance.randint(1, 3))], self.chance)

    def pull(self) -> str:
        source = self.source()
        scope = self.scope(source)
        if self.chance.random() < 0.25:
            return self.grouped(source, scope, "")
        limit = f" LIMIT {self.chance.randint(0, 5)}" if self.chance.random() < 0.2 else ""
        return f"SELECT {self.items(scope)} FROM {source.name}{self.where(scope)}{limit}"

    def lookup(self) -> str:
        source = self.source("TABLE")
        scope = self.scope(source)
        key = next(iter(source.key))
        keys = [literal(source.key[key], self.chance) if self.chance.random() < 0.3 else "'k1'" for _ in range(self.chance.randint(1, 3))]
        condition = f"{key} = {keys[0]}" if len(keys) == 1 else f"{key} IN ({', '.join(keys)})"
        if source.windowed and self.chance.random() < 0.7:
            bound = self.chance.choice(("0", "60000", "CAST(9223372036854775807 AS BIGINT)"))
            condition += f" AND WINDOWSTART {self.chance.choice(('=', '<', '>='))} {bound}"
        if self.chance.random() < 0.2:
            condition += f" AND {scope.condition(1)}"
        return f"SELECT {self.items(scope)} FROM {source.name} WHERE {condition}"

    def ordinary(self) -> str:
        chance, source, other = self.chance, self.source(), self.source()
        scope = replace(self.scope(source, "a"), plain=True)
        match chance.randrange(5):
            case 0:
                return f"SELECT {self.items(scope)} FROM {source.name} a{self.where(scope)} ORDER BY {scope.some(None, 1)} LIMIT 3 OFFSET 1"
            case 1:
                return f"SELECT a.*, b.* FROM {source.name} a, {other.name} b WHERE {scope.condition(1)} LIMIT 3"
            case 2:
                return f"WITH x AS (SELECT {scope.some(None, 1)} AS v FROM {source.name} a) SELECT v, COUNT(*) FROM x GROUP BY v"
            case 3:
                return f"SELECT {scope.some(None, 1)}, ROW_NUMBER() OVER (ORDER BY {scope.some(None, 1)}) FROM {source.name} a"
        return f"SELECT DISTINCT {scope.some(None, 1)} FROM {source.name} a WHERE a.k IN (SELECT k FROM {other.name})"

    def push(self) -> str:
        emit = f" EMIT CHANGES LIMIT {self.chance.randint(1, 6)}"
        return self.select(emit, persistent=False)

    def select(self, emit: str, *, persistent: bool) -> str:
        """A streaming SELECT."""
        chance = self.chance
        if chance.random() < 0.3:
            return self.join(emit, persistent=persistent)
        source = self.source()
        if persistent and source.windowed and chance.random() < 0.9:
            source = self.source("STREAM")
        scope = self.scope(source)
        self.result = source.kind
        if chance.random() < 0.4:
            return self.grouped(source, scope, emit)
        key = "" if source.windowed or not persistent else ", ".join(source.key) + ", "
        items = self.items(scope)
        if source.kind == "STREAM" and chance.random() < 0.1:
            items = f"{scope.exploded()} AS x"
        partition = f" PARTITION BY {scope.some(chance.choice(SCALARS), 2)}" if source.kind == "STREAM" and chance.random() < 0.1 else ""
        if partition:
            return f"SELECT {partition.removeprefix(' PARTITION BY ')} AS pk, {items} FROM {source.name}{self.where(scope)}{partition}{emit}"
        return f"SELECT {'' if items == '*' else key}{items} FROM {source.name}{self.where(scope)}{emit}"

    def grouped(self, source: Source, scope: Scope, emit: str) -> str:
        """A SELECT with GROUP BY."""
        chance = self.chance
        columns = [*source.key, *source.columns]
        several = range(chance.choice((1, 1, 1, 2)))
        keys = list(dict.fromkeys(chance.choice(columns) if chance.random() < 0.7 else scope.some(chance.choice(SCALARS), 2) for _ in several))
        self.result = "TABLE"
        aggregates = [scope.aggregate() for _ in range(chance.randint(1, 3))]
        window = ""
        if source.kind == "STREAM" and chance.random() < 0.35:
            window = chance.choice((
                " WINDOW TUMBLING (SIZE 1 MINUTE)", " WINDOW HOPPING (SIZE 1 MINUTE, ADVANCE BY 20 SECONDS)", " WINDOW SESSION (30 SECONDS)",
                " WINDOW TUMBLING (SIZE 30 SECONDS, RETENTION 1 DAY, GRACE PERIOD 10 SECONDS)",
                " WINDOW SESSION (1 MILLISECOND, GRACE PERIOD 0 SECONDS)",
            ))  # fmt: skip
            if emit and chance.random() < 0.3:
                emit = emit.replace("CHANGES", "FINAL")
        having = f" HAVING {aggregates[0]} IS NOT NULL" if chance.random() < 0.15 else ""
        items = ", ".join([*(f"{key} AS g{i}" for i, key in enumerate(keys)), *(f"{a} AS a{i}" for i, a in enumerate(aggregates))])
        return f"SELECT {items} FROM {source.name}{window}{self.where(scope, 0.2)} GROUP BY {', '.join(keys)}{having}{emit}"

    def join(self, emit: str, *, persistent: bool) -> str:
        """A join of two sources, or three."""
        chance = self.chance
        left, right = self.source(*(("STREAM",) if chance.random() < 0.7 else ("TABLE",))), self.source()
        while (left.name == right.name or left.windowed or right.windowed or left.kind > right.kind) and chance.random() < 0.9:
            left, right = right, self.source()
        self.result = left.kind
        kind = chance.choice(("", "INNER ", "LEFT ", "LEFT OUTER ", "FULL OUTER ", "RIGHT "))
        within = ""
        if left.kind == right.kind == "STREAM":
            within = chance.choice((" WITHIN 1 MINUTE", " WITHIN (0 SECONDS, 40 SECONDS)", " WITHIN 30 SECONDS GRACE PERIOD 5 SECONDS"))
        scope = Scope({**self.scope(left, "a").columns, **self.scope(right, "b").columns}, chance)
        own = self.scope(left, "a").some(chance.choice((STRING, INTEGER)), 2) if chance.random() < 0.3 else "a.k"
        items = listed([own, *(scope.some(None, 2) for _ in range(chance.randint(1, 2)))], chance) if chance.random() < 0.8 else "*"
        where = f" WHERE {scope.condition(1)}" if chance.random() < 0.25 else ""
        return f"SELECT {items} FROM {left.name} a {kind}JOIN {right.name} b{within} ON {own} = b.k{where}{emit}"

    # ------------------------------------------------------------------------------------------ what makes and changes

    def fresh(self) -> str:
        self.made += 1
        name = f"made{self.made}"
        self.names.append(name)
        return name

    def properties(self) -> str:
        chance = self.chance
        given = []
        if chance.random() < 0.4:
            given.append(f"VALUE_FORMAT='{chance.choice(FORMATS)}'")
        if chance.random() < 0.2:
            given.append(f"KEY_FORMAT='{chance.choice(FORMATS)}'")
        if chance.random() < 0.1:
            given.append(f"PARTITIONS={chance.choice((1, 2, 4))}")
        if chance.random() < 0.05:
            given.append("TIMESTAMP='n0'")
        return f" WITH ({', '.join(given)})" if given else ""

    def create_as(self) -> str:
        query = self.select(self.chance.choice(("", " EMIT CHANGES")), persistent=True)
        kind = self.result if self.chance.random() < 0.97 else "STREAM"
        return f"CREATE {kind} {self.fresh()}{self.properties()} AS {query}"

    def insert_values(self) -> str:
        source = self.source()
        if source.name in ("grouped", "windows", "sessions") and self.chance.random() < 0.9:
            source = self.source("STREAM")
        scope = Scope({}, self.chance)
        names = [n for n in [*source.key, *source.columns] if n in source.key or self.chance.random() < 0.4]
        types = {**source.key, **source.columns}
        if self.chance.random() < 0.1:
            names.append("ROWTIME")
        values = [scope.some(types[n], 2) if n in types else str(self.chance.choice((0, 1_700_000_000_000, -5))) for n in names]
        return f"INSERT INTO {source.name} ({', '.join(names)}) VALUES ({', '.join(values)})"

    def insert_select(self) -> str:
        # never back to where rows come from: that would go round for ever
        places = sorted(self.chance.sample([i for i, s in enumerate(self.sources) if s.kind == "STREAM"], 2))
        source, target = (self.sources[place] for place in places)
        scope = self.scope(source)
        items = [f"{scope.some(t, 2)} AS {n}" if n not in source.key else n for n, t in {**target.key, **target.columns}.items()]
        return f"INSERT INTO {target.name} SELECT {', '.join(items)} FROM {source.name}{self.where(scope)}"

    def declare(self) -> str:
        chance = self.chance
        if chance.random() < 0.15:
            return f"CREATE TYPE {self.fresh()} AS {chance.choice(TYPES)}"
        kind = chance.choice(("STREAM", "TABLE"))
        key = f"{chance.choice(('k', '`k y`'))} {chance.choice(SCALARS + NESTED)} {'PRIMARY KEY' if kind == 'TABLE' else 'KEY'}"
        columns = [f"{chance.choice('abcdef')}{i} {chance.choice(TYPES)}" for i in range(chance.randint(0, 4))]
        head = f"CREATE {chance.choice(('', '', 'OR REPLACE ', 'SOURCE '))}{kind} {chance.choice(('', 'IF NOT EXISTS '))}"
        topic = chance.choice(("s_json", "s_avro", "s_delimited", "fresh", f"topic{self.made}", f"topic{self.made}"))
        with_ = f"KAFKA_TOPIC='{topic}', KEY_FORMAT='{chance.choice(FORMATS)}', VALUE_FORMAT='{chance.choice(FORMATS)}', PARTITIONS=1"
        return f"{head}{self.fresh()} ({', '.join([key, *columns])}) WITH ({with_})"

    def any_name(self) -> str:
        return self.chance.choice([*self.names[-8:], *(s.name for s in self.sources[-3:]), "nothing", "s_json"])

    def tell(self) -> str:
        chance = self.chance
        if chance.random() < 0.15:
            return self.asserted()
        return chance.choice((
            "SHOW STREAMS", "SHOW TABLES EXTENDED", "SHOW TOPICS", "SHOW ALL TOPICS EXTENDED", "SHOW QUERIES", "SHOW QUERIES EXTENDED", "SHOW TYPES",
            "SHOW FUNCTIONS", "SHOW PROPERTIES", "SHOW VARIABLES", "SHOW CONNECTORS", f"DESCRIBE {self.any_name()}",
            f"DESCRIBE {self.any_name()} EXTENDED", f"EXPLAIN {self.select(' EMIT CHANGES', persistent=False)}", f"EXPLAIN {self.pull()}",
            f"DESCRIBE FUNCTION {chance.choice(('ABS', 'LPAD', 'nothing'))}", f"PRINT {self.any_name()} FROM BEGINNING LIMIT 2",
            "SHOW TOPICS EXTENDED", "DESCRIBE TABLES", "DESCRIBE STREAMS EXTENDED", "SPOOL OFF", "EXPLAIN ANALYZE CTAS_GROUPED_1",
            f"ASSERT STREAM {self.any_name()} (k STRING KEY) WITH (VALUE_FORMAT='{chance.choice(FORMATS)}')",
            f"ASSERT TOPIC {self.any_name()} TIMEOUT 0 SECONDS", f"ASSERT SCHEMA SUBJECT '{self.any_name()}-value' TIMEOUT 0 SECONDS",
        ))  # fmt: skip

    def asserted(self) -> str:
        """ASSERT VALUES, of values of the columns' types mostly."""
        source = self.source()
        names = self.chance.sample(sorted(source.all), self.chance.randint(1, 3))
        values = (Scope({}, self.chance).some(source.all[name], 1) for name in names)
        return f"ASSERT VALUES {source.name} ({', '.join(names)}) VALUES ({', '.join(values)})"

    def change(self) -> str:
        chance, name = self.chance, self.chance.choice(self.names[-8:] or ["nothing"])
        return chance.choice((
            f"DROP STREAM IF EXISTS {name} DELETE TOPIC", f"DROP TABLE IF EXISTS {name}", f"DROP TYPE IF EXISTS {name}", f"TERMINATE CSAS_{name}_1",
            f"ALTER STREAM {name} ADD COLUMN extra {chance.choice(TYPES)}", "PAUSE ALL", "RESUME ALL", f"DEFINE v = '{name}'", "UNDEFINE v",
            f"SET 'auto.offset.reset' = '{chance.choice(('earliest', 'latest', 'x'))}'", "UNSET 'auto.offset.reset'",
        ))  # fmt: skip

    def torn(self) -> str:
        """A statement with a token left out, doubled or replaced."""
        chance = self.chance
        words = [token.text for token in tokenize(chance.choice((self.pull, self.create_as, self.insert_values, self.declare))())]
        place = chance.randrange(len(words))
        strange = chance.choice(("(", ")", "'", "NULL", "->", "9" * 40))
        words[place : place + 1] = chance.choice(([], [words[place]] * 2, [chance.choice(words)], [strange]))
        return " ".join(words).rstrip(";")


