"""What a connector is: one class in one file under `connectors/`, with its options, its code and its documentation."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol, runtime_checkable
from typing import Literal as OneOf

from penstock.connect.options import EVERY_SINK, EVERY_SOURCE, Option
from penstock.connect.records import Position, Record, SourceBatch
from penstock.connect.secrets import Secrets
from penstock.errors import ConfigError, ConnectorError
from penstock.sql.types import SqlType


class RetriableError(ConnectorError):
    """The far side is not to be had now: the same records are worth another try, after `retry_after_s` seconds where it said so."""

    def __init__(self, what: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(what)
        self.retry_after_s = retry_after_s


class RefusedError(ConnectorError):
    """The far side refuses records, and will again: each goes the way that `errors.tolerance` says.

    `refused`: which records of the put, with the reason of each; all the others are then taken. Without it nobody knows which, and the runtime
    gives them again one by one.
    """

    def __init__(self, what: str, *, mend: str = "", refused: Sequence[tuple[Record, str]] = ()) -> None:
        super().__init__(what, mend=mend)
        self.refused = tuple(refused)


class SinkContext(Protocol):
    """What the runtime gives to a sink's code."""

    @property
    def connector(self) -> str:
        """The connector's name."""
        ...

    @property
    def columns(self) -> frozenset[str] | None:
        """The names of the columns that every record has; None where that is not known before reading."""
        ...

    def types(self, topic: str) -> Mapping[str, SqlType] | None:
        """The types of a topic's columns, in the schema's order; None where nothing says them. Transforms may have changed the records."""
        ...

    def incarnation(self) -> str:
        """Which of all connectors of this name this is: the same after each restart, another once it was dropped and created again. A far side that
        keeps the place itself keeps it under this."""
        ...


class Sink(Protocol):
    """A sink's code, for one task. It is made when the task starts and closed when it stops; every call comes from the task's own thread."""

    def put(self, records: Sequence[Record]) -> None:
        """Deliver the records, all of them, before returning; the runtime gives at most `batch_max` at once and never one of a bad decoding.
        Raises RetriableError or RefusedError; any other ConnectorError fails the task. Records may come again after a crash or a retry."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


@runtime_checkable
class GatheringSink(Sink, Protocol):
    """A sink that keeps records over many puts and delivers them together, in files perhaps. Its `put` only takes the records. What it has not
    delivered when it is closed comes again at the next start: it has nothing to save."""

    def delivered(self) -> Mapping[tuple[str, int], int]:
        """How far each (`record.stands_in`, partition) is delivered for good: the offset before which nothing is needed again. Asked after each
        put and tick."""
        ...

    def tick(self) -> float | None:
        """Deliver what is due by the clock; the seconds after which it is called again though nothing was put, None: only after the next put.
        Raises as `put` does."""
        ...


class SourceContext(Protocol):
    """What the runtime gives to a source's code."""

    @property
    def connector(self) -> str:
        """The connector's name."""
        ...

    @property
    def task(self) -> int:
        """Which task this is, 0 to `tasks` - 1: tasks divide the source's parts among them."""
        ...

    @property
    def tasks(self) -> int:
        """How many tasks the connector has."""
        ...

    @property
    def positions(self) -> Mapping[str, Position]:
        """How far each part of the source's world was read, as last committed; empty at the first start."""
        ...

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until `wake` is called (True) or the time has passed (False); None waits for `wake` alone. It costs nothing meanwhile. Where
        the task is to pause or stop, it ends the poll by an exception that only the runtime catches: let it pass. The runtime itself calls
        `wake` in order to learn whether there is anything (`wait_idle`): look, and where there is nothing wait again or return nothing."""
        ...

    def wake(self) -> None:
        """End the present `wait`, or else the next one. May be called from any thread."""
        ...


class Source(Protocol):
    """A source's code, for one task. It is made when the task starts and closed when it stops; every call comes from the task's own thread.

    Connections are opened in the first `poll`, not before. RetriableError: the far side is not to be had, and the poll is worth another try.
    Any other ConnectorError fails the task, which starts again from the committed positions, later and later.
    """

    def poll(self) -> SourceBatch:
        """The next records in order, at once where there are any, else after `context.wait`; a bounded number (some thousands). An empty batch
        means nothing but that a poll is over. A poll that waits for the far side itself, without `context.wait`, ends within a second or so:
        until then the task cannot stop."""
        ...

    def committed(self, batch: SourceBatch) -> None:
        """The batch of the last poll is durable: acknowledge it to the far side, where that is how it works."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


@dataclass(frozen=True)
class ConnectorDefinition:
    """What the definitions of sources and sinks share: a connector's registration and its documentation.

    `class_names`: every spelling of `connector.class` that means it, the first being our own. `example`: a whole CREATE CONNECTOR statement.
    """

    class_names: tuple[str, ...]
    summary: str
    documentation: str
    example: str
    options: tuple[Option, ...]

    @property
    def kind(self) -> OneOf["SOURCE", "SINK"]:
        """The word before CONNECTOR."""
        raise NotImplementedError

    @property
    def general_options(self) -> tuple[Option, ...]:
        """The options of every connector of this kind."""
        raise NotImplementedError

    @property
    def all_options(self) -> tuple[Option, ...]:
        """The connector's own options after those of every one of its kind. One of the same name replaces (another default)."""
        own = {option.name for option in self.options}
        return (*(option for option in self.general_options if option.name not in own), *self.options)


CLEAN_UP_S = 5
"""How long a clean-up waits for the far side, in seconds."""


@dataclass(frozen=True)
class Leaving:
    """A connector that is dropped, or whose place is forgotten; its tasks are at rest. `read_options` raises ConfigError where a secret is not there.
    `positions` are those that a source has committed; `incarnation` is a sink's, where it ever asked for it."""

    connector: str
    read_options: Callable[[], Mapping[str, Any]]
    secrets: Secrets
    positions: Mapping[str, Position]
    incarnation: str | None


CleanUp = Callable[[Leaving], Sequence[str]]
"""Removes from the far side what is kept there for a connector alone. What has to stay it returns, a sentence each that says why and how to remove it
by hand; it takes some seconds at the most."""


@dataclass(frozen=True)
class SinkDefinition(ConnectorDefinition):
    """A sink connector.

    `batch_max`: how many records a `put` gets, from the options. `open`: (options, secrets, context) -> the sink; it raises ConfigError
    for what only it can check, and must not reach for the network. `clean_up`: called for a sink that has asked for its incarnation; None: nothing
    is kept at the far side.
    """

    batch_max: Callable[[Mapping[str, Any]], int]
    open: Callable[[Mapping[str, Any], Secrets, SinkContext], Sink]
    clean_up: CleanUp | None = None

    @property
    def kind(self) -> OneOf["SOURCE", "SINK"]:
        """SINK."""
        return "SINK"

    @property
    def general_options(self) -> tuple[Option, ...]:
        """The options of every sink."""
        return EVERY_SINK


@dataclass(frozen=True)
class SourceDefinition(ConnectorDefinition):
    """A source connector.

    `open`: (options, secrets, context) -> the source; it raises ConfigError for what only it can check, and must not reach for the network.
    `tasks`: how many tasks have something to do, from the options (`tasks.max` is the limit); one, where it is not given.
    `clean_up`: called for a source that has committed positions; None: nothing is kept at the far side.
    """

    open: Callable[[Mapping[str, Any], Secrets, SourceContext], Source]
    tasks: Callable[[Mapping[str, Any]], int] = lambda options: 1
    clean_up: CleanUp | None = None

    @property
    def kind(self) -> OneOf["SOURCE", "SINK"]:
        """SOURCE."""
        return "SOURCE"

    @property
    def general_options(self) -> tuple[Option, ...]:
        """The options of every source."""
        return EVERY_SOURCE


Definition = SinkDefinition | SourceDefinition


@cache
def definitions() -> tuple[Definition, ...]:
    """Every connector: the DEFINITION of each module under `connectors/`."""
    from penstock.connect import connectors

    modules = [importlib.import_module(f"{connectors.__name__}.{m.name}") for m in pkgutil.iter_modules(connectors.__path__)]
    # A connector's libraries are imported when it is opened, so that this list never needs an extra.
    return tuple(module.DEFINITION for module in modules)


def definition_of(class_name: str, kind: str | None) -> Definition:
    """The connector of a class name, in any case of its letters. Raises ConfigError where there is none, or it is no connector of that kind
    (None: of either)."""
    for definition in definitions():
        if class_name.lower() in (name.lower() for name in definition.class_names):
            if kind not in (None, definition.kind):
                raise ConfigError(f"{class_name} is a {definition.kind} connector.", mend=f"Write CREATE {definition.kind} CONNECTOR.")
            return definition
    known = ", ".join(definition.class_names[0] for definition in definitions())
    raise ConfigError(f"There is no connector of the class '{class_name}'.", mend=f"There are: {known}.")
