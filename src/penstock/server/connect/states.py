"""How connectors and their tasks are, and letting them run, rest and begin anew."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from penstock.catalog.model import State
from penstock.server.answers import answer
from penstock.server.connect.entities import config_of, flag, info, known, name_of, status, task, task_status
from penstock.server.door import endpoint
from penstock.server.hall import Hall
from penstock.statements.connectors import change_state

_STATUS = (
    '{"name": "ratings", "connector": {"state": "RUNNING", "worker_id": "localhost:8083"}, "tasks": [{"id": 0, "state": "RUNNING", "worker_id": '
    '"localhost:8083"}], "type": "source"}'
)


@endpoint(
    "GET", "/connectors/{name}/status",
    "A connector's state, which is what it is to be (`RUNNING`, `PAUSED`, `STOPPED`), and those of its tasks (`FAILED` too). A task's `trace` says "
    "why it failed, or what it is about to try again. One that failed starts again by itself, later and later.",
    gives=_STATUS,
)  # fmt: skip
async def status_of(hall: Hall, request: Request) -> Response:
    """How it is."""
    return answer(await hall.run(lambda: status(hall.db, known(hall.db, name_of(request)), request.url.netloc)))


async def _change(hall: Hall, request: Request, state: State) -> None:
    await hall.run(lambda: change_state(hall.db, known(hall.db, name_of(request)).name, state))


@endpoint("PUT", "/connectors/{name}/pause", "Lets a connector rest: 202. What is under way may finish. It stays so when the server starts again.")
async def pause(hall: Hall, request: Request) -> Response:
    """Let it rest."""
    await _change(hall, request, "PAUSED")
    return Response(status_code=202)


@endpoint("PUT", "/connectors/{name}/resume", "Lets a connector that rests go on, and one that failed try again at once: 202.")
async def resume(hall: Hall, request: Request) -> Response:
    """Let it go on."""
    await _change(hall, request, "RUNNING")
    return Response(status_code=202)


@endpoint(
    "PUT", "/connectors/{name}/stop",
    "Lets a connector rest as `pause` does, with no tasks to be seen: 204. Its offsets may be changed then.",
)  # fmt: skip
async def stop(hall: Hall, request: Request) -> Response:
    """Stop it."""
    await _change(hall, request, "STOPPED")
    return Response(status_code=204)


@endpoint(
    "POST", "/connectors/{name}/restart",
    "Starts a connector anew from where it was, its secrets and the number of its tasks read again: 204. A connector is its tasks here, so that "
    "`?includeTasks=true` does the same and answers 202 with the status; `?onlyFailed=true` lets those tasks alone begin anew that have failed. One "
    "that rests goes on resting.",
    gives=_STATUS,
)  # fmt: skip
async def restart(hall: Hall, request: Request) -> Response:
    """Start it anew."""
    include_tasks, only_failed = flag(request, "includeTasks"), flag(request, "onlyFailed")

    def restarted() -> dict[str, Any]:
        with hall.db.alone():
            connector = known(hall.db, name_of(request))
            tasks = hall.db.connectors.status(connector.name).tasks
            if connector.state == "RUNNING" and only_failed:
                hall.db.connectors.restart_tasks(connector.name, {each.id for each in tasks if each.state == "FAILED"})
            elif connector.state == "RUNNING":
                hall.db.connectors.restart(connector.name)
            return status(hall.db, connector, request.url.netloc)

    found = await hall.run(restarted)
    return answer(found, status=202) if include_tasks or only_failed else Response(status_code=204)


@endpoint(
    "GET", "/connectors/{name}/tasks",
    "A connector's tasks, each with the configuration, which is the connector's.",
    gives='[{"id": {"connector": "ratings", "task": 0}, "config": {"connector.class": "DatagenSource", "kafka.topic": "ratings"}}]',
)  # fmt: skip
async def tasks(hall: Hall, request: Request) -> Response:
    """Its tasks."""

    def found() -> list[dict[str, Any]]:
        connector = known(hall.db, name_of(request))
        return [{"id": each, "config": config_of(hall.db, connector)} for each in info(hall.db, connector)["tasks"]]

    return answer(await hall.run(found))


@endpoint(
    "GET", "/connectors/{name}/tasks/{task}/status",
    "How a task is.",
    gives='{"id": 0, "state": "RUNNING", "worker_id": "localhost:8083"}',
)  # fmt: skip
async def status_of_task(hall: Hall, request: Request) -> Response:
    """How a task is."""

    def found() -> dict[str, Any]:
        return task_status(task(hall.db, known(hall.db, name_of(request)), request.path_params["task"]), request.url.netloc)

    return answer(await hall.run(found))


@endpoint("POST", "/connectors/{name}/tasks/{task}/restart", "Lets a task begin anew from where it was: 204. One that rests goes on resting.")
async def restart_task(hall: Hall, request: Request) -> Response:
    """Let a task begin anew."""

    def restarted() -> None:
        with hall.db.alone():
            connector = known(hall.db, name_of(request))
            number = task(hall.db, connector, request.path_params["task"]).id
            if connector.state == "RUNNING":
                hall.db.connectors.restart_tasks(connector.name, {number})

    await hall.run(restarted)
    return Response(status_code=204)


@endpoint(
    "GET", "/connectors/{name}/topics",
    "The topics whose records a connector has read or written since the server started, or since they were reset.",
    gives='{"ratings": {"topics": ["ratings"]}}',
)  # fmt: skip
async def topics(hall: Hall, request: Request) -> Response:
    """Its topics."""

    def found() -> dict[str, Any]:
        connector = known(hall.db, name_of(request))
        return {connector.name: {"topics": hall.db.connectors.topics(connector.name)}}

    return answer(await hall.run(found))


@endpoint("PUT", "/connectors/{name}/topics/reset", "Forgets which topics a connector has read or written: 204.")
async def reset_topics(hall: Hall, request: Request) -> Response:
    """Forget its topics."""

    def forget() -> None:
        hall.db.connectors.forget_topics(known(hall.db, name_of(request)).name)

    await hall.run(forget)
    return Response(status_code=204)
