"""The door of Kafka Connect's clients."""

from __future__ import annotations

from collections.abc import Mapping

from penstock.errors import Error
from penstock.server.answers import Refusal
from penstock.server.connect import connectors, offsets, plugins, states, worker
from penstock.server.door import Door


def refused(error: Error) -> Refusal:
    """A user's error."""
    return Refusal(400, str(error))


def error_body(refusal: Refusal) -> Mapping[str, object]:
    """The body of a refusal: `error_code` is the HTTP status."""
    return {"error_code": refusal.status, "message": refusal.message, **refusal.fields}


DOOR = Door(
    name="connect",
    port=8083,
    documentation="Kafka Connect's REST interface, for its clients and its configurations as they are. A connector that is made here is the same as "
    "one that CREATE SOURCE or SINK CONNECTOR makes, and both see it; in SQL a name in small letters stands in backquotes. What is documented of "
    "[connectors](connectors/README.md) holds here: options that say where Kafka is are passed over, a failed task starts again by itself, and "
    "secrets stay `${env:NAME}` and `${file:PATH:KEY}` in every answer, passwords that are written out `[hidden]`; what was shown so and comes back "
    "is left as it was. Files lie below the allowed folders. Errors are `{\"error_code\": 404, \"message\": ...}`.",
    endpoints=(
        worker.root, worker.health,
        connectors.names, connectors.create, connectors.get, connectors.delete, connectors.get_config, connectors.put_config, connectors.patch_config,
        states.status_of, states.pause, states.resume, states.stop, states.restart, states.tasks, states.status_of_task, states.restart_task,
        states.topics, states.reset_topics,
        offsets.get, offsets.alter, offsets.reset,
        plugins.plugins, plugins.plugin_config, plugins.validate,
    ),
    refused=refused,
    error_body=error_body,
)  # fmt: skip
