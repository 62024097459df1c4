"""The door of ksqlDB's clients."""

from __future__ import annotations

from penstock.server.door import Door
from penstock.server.ksql.errors import error_body, refused
from penstock.server.ksql.information import cluster_status, healthcheck, info, is_valid_property
from penstock.server.ksql.inserts import inserts_stream
from penstock.server.ksql.queries import close_query, query, query_stream, ws_query
from penstock.server.ksql.statements import ksql, status, statuses, terminate

DOOR = Door(
    name="ksql",
    port=8088,
    documentation="ksqlDB's REST interface, for ksqlDB's clients. It speaks HTTP/1.1 and HTTP/2, the latter by TLS or with prior knowledge. A body "
    "is read as JSON whatever its content type says. Errors are `{\"@type\": ..., \"error_code\": ..., \"message\": ...}`.",
    endpoints=(
        ksql, query, query_stream, close_query, inserts_stream, ws_query,
        info, healthcheck, statuses, status, terminate, cluster_status, is_valid_property,
    ),
    refused=refused,
    error_body=error_body,
)  # fmt: skip
