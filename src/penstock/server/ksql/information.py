"""Who the server is and how it fares: /info, /healthcheck, /clusterStatus, /is_valid_property."""

from __future__ import annotations

import time
from importlib import metadata

from starlette.requests import Request
from starlette.responses import Response

from penstock import settings
from penstock.engine.faults import PROCESSING_LOG_TOPIC
from penstock.errors import ConfigError
from penstock.plan.steps import sources_of
from penstock.server.answers import Refusal, answer
from penstock.server.door import endpoint
from penstock.server.hall import Hall
from penstock.server.ksql.errors import BAD_REQUEST


@endpoint(
    "GET", "/info",
    "Which version this is. There is no cluster, and so its id is always `penstock`.",
    gives='{"KsqlServerInfo": {"version": "0.1.0", "kafkaClusterId": "penstock", "ksqlServiceId": "default_", "serverStatus": "RUNNING"}}',
)  # fmt: skip
async def info(hall: Hall, request: Request) -> Response:
    """The version."""
    status = "TERMINATING" if hall.closing.is_set() else "RUNNING"
    about = {"version": metadata.version("penstock"), "kafkaClusterId": "penstock", "ksqlServiceId": "default_", "serverStatus": status}
    return answer({"KsqlServerInfo": about})


@endpoint(
    "GET", "/healthcheck",
    "Whether the server can do its work: read its catalog and its log. A query in state ERROR does not make a server unhealthy: SHOW QUERIES tells "
    "of it. 503 where it is not healthy.",
    gives='{"isHealthy": true, "details": {"metastore": {"isHealthy": true}, "kafka": {"isHealthy": true}}, "serverState": "READY"}',
)  # fmt: skip
async def healthcheck(hall: Hall, request: Request) -> Response:
    """How it fares."""

    def readable() -> bool:
        try:
            hall.db.log.end_offset(PROCESSING_LOG_TOPIC, 0)
        except Exception:  # noqa: BLE001 - whatever it is, the answer says that it is not well
            return False
        return True

    log, running = await hall.run(readable), not hall.closing.is_set()
    details = {"metastore": {"isHealthy": log}, "kafka": {"isHealthy": log}}
    state = "READY" if running else "TERMINATING"
    return answer({"isHealthy": log and running, "details": details, "serverState": state}, status=200 if log and running else 503)


@endpoint(
    "GET", "/clusterStatus",
    "The one server that there is, with the partitions that each query reads and how far behind their ends it is.",
    gives='{"clusterStatus": {"localhost:8088": {"hostAlive": true, "lastStatusUpdateMs": 1617609098808, "activeStandbyPerQuery": '
    '{"CTAS_DRY_1": {"activeStores": [], "activePartitions": [{"topic": "readings", "partition": 0}], "standByStores": [], "standByPartitions": '
    '[]}}, "hostStoreLags": {"stateStoreLags": {"CTAS_DRY_1#readings": {"lagByPartition": {"0": {"currentOffsetPosition": 3, "endOffsetPosition": '
    '3, "offsetLag": 0}}, "size": 1}}, "updateTimeMs": 1617609098808}}}}',
)  # fmt: skip
async def cluster_status(hall: Hall, request: Request) -> Response:
    """Queries, partitions and lags."""
    return answer({"clusterStatus": {request.url.netloc: await hall.run(_host_status, hall)}})


def _host_status(hall: Hall) -> dict[str, object]:
    db, now = hall.db, int(time.time() * 1000)
    queries: dict[str, object] = {}
    lags: dict[str, object] = {}
    for query in db.catalog.queries():
        committed = db.log.committed(query.id)
        active = []
        for topic in sorted({source.topic for source in sources_of(query.plan)}):
            found = db.log.topic(topic)
            partitions = range(found.partitions if found else 0)
            active += [{"topic": topic, "partition": p} for p in partitions]
            behind = {}
            for p in partitions:
                end = db.log.end_offset(topic, p)
                at = committed.get((topic, p), db.log.start_offset(topic, p))
                behind[str(p)] = {"currentOffsetPosition": at, "endOffsetPosition": end, "offsetLag": max(0, end - at)}
            lags[f"{query.id}#{topic}"] = {"lagByPartition": behind, "size": len(behind)}
        queries[query.id] = {"activeStores": [], "activePartitions": active, "standByStores": [], "standByPartitions": []}
    return {
        "hostAlive": True, "lastStatusUpdateMs": now, "activeStandbyPerQuery": queries,
        "hostStoreLags": {"stateStoreLags": lags, "updateTimeMs": now},
    }  # fmt: skip


@endpoint(
    "GET", "/is_valid_property/{name}",
    "`true` where a request may set the [setting](settings.md); an error of code 40000 where there is none of the name, or it holds from when the "
    "server is started.",
    gives="true",
)  # fmt: skip
async def is_valid_property(hall: Hall, request: Request) -> Response:
    """Whether a request may set a setting."""
    name = request.path_params["name"]
    try:
        setting = settings.find(name)
        settings.of_request({name: setting.default})
    except ConfigError as error:
        raise Refusal(400, str(error), code=BAD_REQUEST) from None
    return answer(True)
