"""Connectors as Kafka Connect's answers describe them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from starlette.requests import Request

from penstock.catalog.model import Connector
from penstock.connect.life import TaskStatus
from penstock.server.answers import Refusal
from penstock.statements.connectors import tasks_of

if TYPE_CHECKING:
    from penstock.database import Database


def known(db: Database, name: str) -> Connector:
    """The connector of a name. Raises Refusal (404)."""
    connector = db.catalog.connector(name)
    if connector is None:
        raise Refusal(404, f"Connector {name} not found")
    return connector


def name_of(request: Request) -> str:
    """The name in the request's path."""
    name: str = request.path_params["name"]
    return name


def flag(request: Request, name: str, default: bool = False) -> bool:
    """A parameter that is true or false. Raises Refusal."""
    text = request.query_params.get(name, "true" if default else "false").lower()
    if text not in ("true", "false"):
        raise Refusal(400, f"The parameter {name} is true or false, not '{text}'.")
    return text == "true"


def config_of(db: Database, connector: Connector) -> dict[str, str]:
    """The options, secrets unresolved and passwords hidden."""
    return {"name": connector.name, **db.connectors.status(connector.name).options}


def info(db: Database, connector: Connector) -> dict[str, Any]:
    """Configuration and tasks."""
    tasks = [{"connector": connector.name, "task": task.id} for task in _tasks(db, connector)]
    return {"name": connector.name, "config": config_of(db, connector), "tasks": tasks, "type": connector.kind.lower()}


def status(db: Database, connector: Connector, worker: str) -> dict[str, Any]:
    """The connector's state, which is what it is to be, and those of its tasks."""
    return {
        "name": connector.name,
        "connector": {"state": connector.state, "worker_id": worker},
        "tasks": [task_status(task, worker) for task in _tasks(db, connector)],
        "type": connector.kind.lower(),
    }


def task_status(task: TaskStatus, worker: str) -> dict[str, Any]:
    """A task's state; `trace` says why it failed, or what it is about to try again."""
    found = {"id": task.id, "state": task.state, "worker_id": worker}
    return found | {"trace": task.reason} if task.reason else found


def task(db: Database, connector: Connector, text: str) -> TaskStatus:
    """The task of a number, as the path has it. Raises Refusal (404)."""
    found = next((each for each in _tasks(db, connector) if str(each.id) == text), None)
    if found is None:
        raise Refusal(404, f"Task {text} of connector {connector.name} not found")
    return found


def _tasks(db: Database, connector: Connector) -> tuple[TaskStatus, ...]:
    return tasks_of(connector, db.connectors.status(connector.name))


EXPANSIONS: Mapping[str, Callable[[Database, Connector, str], dict[str, Any]]] = {
    "info": lambda db, connector, _: info(db, connector),
    "status": status,
}
"""What `expand` may name."""
