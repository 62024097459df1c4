"""What a connector is: one class in one file under `connectors/`, with its options, its code and its documentation."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol
from typing import Literal as OneOf

from penstock.connect.options import EVERY_SINK, Option
from penstock.connect.records import Record
from penstock.connect.secrets import Secrets
from penstock.errors import ConfigError, ConnectorError


class RetriableError(ConnectorError):
    """The far side is not to be had now: the same records are worth another try, after `retry_after_s` seconds where it said so."""

    def __init__(self, what: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(what)
        self.retry_after_s = retry_after_s


class RefusedError(ConnectorError):
    """The far side refuses these very records, and will again: each goes the way that `errors.tolerance` says."""


class Sink(Protocol):
    """A sink's code, for one task. It is made when the task starts and closed when it stops; every call comes from the task's own thread."""

    def put(self, records: Sequence[Record]) -> None:
        """Deliver the records, all of them, before returning; the runtime gives at most `batch_max` at once and never one of a bad decoding.
        Raises RetriableError or RefusedError; any other ConnectorError fails the task. Records may come again after a crash or a retry."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


@dataclass(frozen=True)
class SinkDefinition:
    """A sink connector: its registration and its documentation.

    `class_names`: every spelling of `connector.class` that means it, the first being our own. `example`: a whole CREATE SINK CONNECTOR statement.
    `batch_max`: how many records a `put` gets, from the options. `open`: (options, secrets, columns or None where unknown) -> the sink;
    it raises ConfigError for what only it can check, and must not reach for the network.
    """

    class_names: tuple[str, ...]
    summary: str
    documentation: str
    example: str
    options: tuple[Option, ...]
    batch_max: Callable[[Mapping[str, Any]], int]
    open: Callable[[Mapping[str, Any], Secrets, frozenset[str] | None], Sink]
    kind: OneOf["SINK"] = "SINK"

    @property
    def all_options(self) -> tuple[Option, ...]:
        """The connector's own options after those of every sink. One of the same name replaces (another default)."""
        own = {option.name for option in self.options}
        return (*(option for option in EVERY_SINK if option.name not in own), *self.options)


@cache
def definitions() -> tuple[SinkDefinition, ...]:
    """Every connector: the DEFINITION of each module under `connectors/`."""
    from penstock.connect import connectors

    modules = [importlib.import_module(f"{connectors.__name__}.{m.name}") for m in pkgutil.iter_modules(connectors.__path__)]
    return tuple(module.DEFINITION for module in modules)


def definition_of(class_name: str, kind: str) -> SinkDefinition:
    """The connector of a class name, in any case of its letters. Raises ConfigError where there is none, or it is no connector of that kind."""
    for definition in definitions():
        if class_name.lower() in (name.lower() for name in definition.class_names):
            if definition.kind != kind:
                raise ConfigError(f"{class_name} is a {definition.kind} connector.", mend=f"Write CREATE {definition.kind} CONNECTOR.")
            return definition
    known = ", ".join(definition.class_names[0] for definition in definitions())
    raise ConfigError(f"There is no connector of the class '{class_name}'.", mend=f"There are: {known}.")
