"""Who the server is and whether it is well: / and /health."""

from __future__ import annotations

from importlib import metadata

from starlette.requests import Request
from starlette.responses import Response

from penstock.server.answers import answer
from penstock.server.door import endpoint
from penstock.server.hall import Hall


@endpoint(
    "GET", "/",
    "Which version this is. There is no cluster, and so its id is always `penstock`.",
    gives='{"version": "0.1.0", "commit": "", "kafka_cluster_id": "penstock"}',
)  # fmt: skip
async def root(hall: Hall, request: Request) -> Response:
    """The version."""
    return answer({"version": metadata.version("penstock"), "commit": "", "kafka_cluster_id": "penstock"})


@endpoint(
    "GET", "/health",
    "Whether the server takes requests: 503 while it stops.",
    gives='{"status": "healthy", "message": "The server is ready to handle requests."}',
)  # fmt: skip
async def health(hall: Hall, request: Request) -> Response:
    """Whether it is well."""
    if hall.closing.is_set():
        return answer({"status": "unhealthy", "message": "The server is stopping."}, status=503)
    return answer({"status": "healthy", "message": "The server is ready to handle requests."})
