"""Random statements run against a database, each judged: it answers or raises penstock.Error, within a second of CPU time, and no persistent
query fails by something of ours.

usage: python -m tests.fuzz.campaign --seed N --count N [--trail FILE]

Writes each finding and at last the counts as lines of JSON. The file `trail` holds the statement under way, for the case that the process dies.
"""

from __future__ import annotations

import argparse
import faulthandler
import json
import random
import re
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.fuzz.statements import Writer
from tests.fuzz.world import build

from penstock.database import Database
from penstock.errors import Error

CPU_S_MAX = 1.0
EPISODE = 150
"""How many statements one database sees."""
PERSISTENT_MAX = 12
"""How many of the latest persistent queries go on running: each takes its share of what is inserted."""
BUILT = 3
"""How many queries belong to the world."""
HANG_S = 120
LEAK = re.compile(
    r"(Binder|Catalog|Conversion|Parser|Internal|INTERNAL|Invalid Input|Out of Range|Not implemented) Error|Traceback|[Dd]uck[Dd][Bb]|pyarrow|Arrow|"
    r"polars|Candidate (functions|macros)|struct_pack|struct_extract|list_transform|penstock_|TRY\(|\bVARCHAR\[|_seam|\.py\b|<class|object at 0x"
)
"""Words of what Penstock is made of, which tell a user nothing."""


@dataclass(frozen=True)
class Finding:
    """What went wrong, with the statement and where its episode began."""

    what: str
    detail: str
    statement: str
    episode: int


@dataclass
class Counts:
    """How many statements of a kind there were, and how many of them ran."""

    ran: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)

    @property
    def share(self) -> float:
        """The share of the statements that ran."""
        return self.ran.total() / max(1, self.ran.total() + self.refused.total())


def run_one(db: Database, kind: str, statement: str) -> None:
    """Run one statement to its end, and what follows from it."""
    if statement.lstrip().upper().startswith(("SELECT", "WITH")):
        with db.query(statement) as query:
            if query.is_push:
                query.drain()
            else:
                query.fetchall()
        return
    db.execute(statement)
    db.wait_idle()


def leaks(message: str, statement: str, kind: str) -> bool:
    """Whether a message speaks of what Penstock is made of. In ordinary SQL the names of DuckDB's types are the language's own."""
    found = LEAK.search(message.replace(statement, ""))
    return found is not None and not (kind == "ordinary" and found[0] == "VARCHAR[")


def faults(db: Database) -> list[tuple[str, str]]:
    """The reasons in the processing log, each with its query's statement."""
    statements = {q.id: q.sql for q in db.catalog.queries()}
    rows = db.query("SELECT query, reason FROM PROCESSING_LOG;").fetchall()
    return [(reason, statements.get(query, query)) for query, reason in rows]


def judged(db: Database, kind: str, statement: str, counts: Counts) -> Iterator[tuple[str, str]]:
    """Run a statement; what is wrong with how it went, and the words for it."""
    began = time.process_time()
    try:
        run_one(db, kind, statement)
        counts.ran[kind] += 1
    except Error as error:
        counts.refused[kind] += 1
        counts.reasons[f"{kind}: {re.sub(r'Line [0-9:]+: ', '', str(error))[:60]}"] += 1
        if leaks(str(error), statement, kind):
            yield "leak", str(error)
        if "cannot go on" in str(error) and "DECIMAL" not in str(error):  # a sum beyond its DECIMAL stops a query, as in ksqlDB
            yield "query failed", str(error)
    except Exception as error:  # noqa: BLE001 - what is looked for
        counts.refused[kind] += 1
        yield "crash", f"{type(error).__name__}: {error}\n{''.join(traceback.format_tb(error.__traceback__)[-4:])}"
    took = time.process_time() - began
    if took > CPU_S_MAX:
        yield "slow", f"{took:.2f} s"
    tidy(db)


def tidy(db: Database) -> None:
    """End queries that cannot go on (that they cannot was reported where it was first raised), and the eldest where there are many."""
    for name, running in list(db.runtime.queries.items()):
        try:
            while not running.paused and running.task is not None and running.task.step():
                pass
        except Exception:  # noqa: BLE001
            db.execute(f"TERMINATE {name};")
    own = [q.id for q in db.catalog.queries()][BUILT:]
    for name in own[: max(0, len(own) - PERSISTENT_MAX)]:
        db.execute(f"TERMINATE {name};")


def campaign(seed: int, count: int, trail: Path | None = None, tell: Callable[[Finding], None] = lambda _: None) -> tuple[list[Finding], Counts]:
    """Run `count` statements from a seed."""
    findings: list[Finding] = []
    counts = Counts()
    for episode in range(seed * 1_000_000, seed * 1_000_000 + (count + EPISODE - 1) // EPISODE):
        chance = random.Random(episode)
        db, sources = build(chance)
        writer = Writer(chance, sources)
        with db:
            for number in range(min(EPISODE, count)):
                kind, statement = writer.statement()
                if trail is not None:
                    trail.write_text(f"{episode}: {statement}")
                if number % 10 == 0:
                    faulthandler.dump_traceback_later(HANG_S, exit=True)
                for what, detail in judged(db, kind, statement, counts):
                    findings.append(Finding(what, detail, statement, episode))
                    tell(findings[-1])
            faulthandler.cancel_dump_traceback_later()
            for reason, statement in faults(db):
                counts.faults[re.sub(r"\d+|'[^']*'|\"[^\"]*\"", "#", reason.partition(": ")[2])[:100]] += 1
                if leaks(reason, statement, ""):
                    findings.append(Finding("leak in the processing log", reason, statement, episode))
                    tell(findings[-1])
        count -= EPISODE
    return findings, counts


def main() -> int:
    """Run a campaign and print what it found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--trail", type=Path)
    options = parser.parse_args()
    findings, counts = campaign(options.seed, options.count, options.trail, lambda finding: print(json.dumps(asdict(finding)), flush=True))
    told = {"reasons": counts.reasons.most_common(40), "faults": counts.faults.most_common(40)}
    print(json.dumps({"ran": counts.ran, "refused": counts.refused, "share": counts.share, **told}))
    return int(bool(findings))


if __name__ == "__main__":
    sys.exit(main())
