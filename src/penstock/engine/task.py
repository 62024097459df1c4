"""A running query: records in, one durable commit out, over and over.

Each cycle's input positions, state and output records are committed in one transaction, so a crash at any moment leaves the
query as if it had stopped between two cycles: that is all there is to exactly-once here, and to recovery.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from penstock.engine import faults, memory
from penstock.engine.build import Built
from penstock.engine.evaluate import EvaluationError, Evaluator, FunctionError
from penstock.engine.intake import BATCH_RECORDS_MAX, Intake, Place, Taken
from penstock.engine.stage import Cycle, Fault, Origin, Stage
from penstock.errors import DataError, RecordError

if TYPE_CHECKING:
    from penstock.log.protocol import Log, Snapshot, Transaction

BATCH_RECORDS_FIRST = 20_000
BATCH_RECORDS_LARGEST = 2_000_000
"""Of a million keys in no order a batch of so many records touches each once or more: with half as many, half as many rows again are written."""


@dataclass(frozen=True)
class TaskOptions:
    """`latest`: a new query starts at the end of its topics. `every_change`: a table emits each change, not the last of a batch."""

    latest: bool = False
    every_change: bool = False
    batch_records: int = BATCH_RECORDS_MAX


class Task:
    """One query over one log, which is read from and, for a persistent query, committed to. A push query has `deliver`, which gets its rows and
    returns False when it wants no more, and `report`, which gets what could not be processed; its state lives in a log of its own that `scratch`
    opens when it is first needed."""

    def __init__(
        self,
        query: str,
        built: Built,
        log: Log,
        options: TaskOptions,
        *,
        scratch: Callable[[], Log] | None = None,
        deliver: Callable[[Cycle, Stage], bool] | None = None,
        report: Callable[[list[Fault]], None] | None = None,
    ) -> None:
        self.query = query
        self.built = built
        self.log = log
        self.options = options
        self.scratch = Scratch(scratch) if scratch else None
        self.deliver = deliver
        self.report = report
        self.finished = False
        self.batch_records = min(options.batch_records, BATCH_RECORDS_FIRST)
        self.evaluator = Evaluator()
        self.careful: Evaluator | None = None
        self.intake = Intake(built.sources, log, query, latest=options.latest)
        self.limit = BATCH_RECORDS_LARGEST

    def step(self) -> bool:
        """Process what is waiting, at most a batch. Whether there was anything."""
        if self.finished:
            return False
        if (taken := self.take()) is None:
            return False
        origin, positions = taken
        try:
            try:
                self.process(origin, positions)
            except EvaluationError:
                # the first cycle has used the records up
                if (taken := self.take()) is None:
                    return True
                origin, positions = taken
                self.process(origin, positions, careful=True)
        except (EvaluationError, RecordError) as error:
            # no expression is to blame: a sum leaves its type, a user's aggregate raises, a result is too large for its topic. The record is found
            # by halving the batch
            if origin.count > 1 and self.limit > 1:
                self.limit = max(min(origin.count, self.limit) // 2, 1)
                return True
            if isinstance(error, EvaluationError) and not isinstance(error, FunctionError):
                topic, partition, offset = origin.of(0)
                raise DataError(
                    f"The query {self.query} cannot go on: {error} (topic {topic}, partition {partition}, offset {offset})."
                ) from error
            self.skip(origin, positions, error)
        self.intake.positions.update(positions)
        self.limit = min(self.limit * 2, BATCH_RECORDS_LARGEST)
        return True

    def take(self) -> Taken | None:
        """Give the sources what is waiting, at most a batch; None where nothing is."""
        with self.log.snapshot() as snapshot:
            return self.intake.take(snapshot, min(self.limit, self.batch_records))

    def rest(self) -> None:
        """Nothing is waiting: give back the memory that was kept for the next batch."""
        memory.give_back(self.query)

    def process(self, origin: Origin, positions: dict[Place, int], *, careful: bool = False) -> None:
        """One cycle over the records that the sources were given. Raises EvaluationError where a row fails, in a careful cycle where that is no
        expression's fault."""
        if careful and self.careful is None:
            self.careful = Evaluator(careful=True)
        evaluator = self.careful if careful and self.careful else self.evaluator
        every_change = self.options.every_change
        with Cycle(self.query, self.scratch or self.log, evaluator, careful=careful, every_change=every_change) as cycle:
            cycle.origin = origin
            stage = self.built.root.run(cycle)
            if self.deliver is not None:
                self.finished = not self.deliver(cycle, stage)
            else:
                self.commit(cycle, positions)
        if cycle.faults and self.report is not None:
            self.report(cycle.faults)
        self._adapt(cycle.keys_touched * 2 > origin.count)

    def skip(self, origin: Origin, positions: dict[Place, int], error: RecordError | FunctionError) -> None:
        """Pass over the one record of a batch, since its topic does not take what it leads to or a user's aggregate does not take it, and report it:
        no part of it is applied."""
        fault = Fault("EVALUATION" if isinstance(error, FunctionError) else "SERIALIZATION", str(error), *origin.of(0))
        if self.report is not None:
            self.report([fault])
            return
        with self.log.begin() as transaction:
            faults.report(self.query, [fault], transaction.append)
            transaction.commit_offsets(self.query, positions)

    def _adapt(self, many_keys: bool) -> None:
        """Take larger batches after one that left records waiting, and the largest where it touched a key's state for every other record: each key is
        then read and written less often. A push query's stay small: somebody has to read their rows."""
        if self.deliver is None and self.intake.left:
            memory.keep(self.query)
            self.batch_records = max(self.options.batch_records, BATCH_RECORDS_LARGEST if many_keys else self.batch_records)

    def commit(self, cycle: Cycle, positions: dict[Place, int]) -> None:
        """Make the cycle durable: output, processing log, positions and state, together when the cycle ends."""
        transaction = cycle.transaction
        cycle.flush()
        faults.report(self.query, cycle.faults, transaction.append)
        transaction.commit_offsets(self.query, positions)

    def close(self) -> None:
        """Give back the connection, and the log of a push query's state."""
        memory.give_back(self.query)
        self.evaluator.close()
        if self.careful is not None:
            self.careful.close()
        if self.scratch is not None:
            self.scratch.close()


class Scratch:
    """A log for state alone, opened when a transaction is first asked for."""

    def __init__(self, open_log: Callable[[], Log]) -> None:
        self._open = open_log
        self._log: Log | None = None

    def begin(self) -> AbstractContextManager[Transaction]:
        """A write transaction of the log, which is opened now if it was not."""
        return self._opened().begin()

    def snapshot(self) -> AbstractContextManager[Snapshot]:
        """A snapshot of it."""
        return self._opened().snapshot()

    def _opened(self) -> Log:
        self._log = self._log or self._open()
        return self._log

    def close(self) -> None:
        """Close the log, if it was ever opened."""
        if self._log is not None:
            self._log.close()
