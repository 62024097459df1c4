"""Connectors by /ksql: made, shown, described and dropped by a client."""

from __future__ import annotations

import json
import time
from pathlib import Path

import httpx
from tests.server.conftest import Serve


def test_connectors(serve: Serve, tmp_path: Path) -> None:
    """A source makes records, a sink writes them to a file; made, shown, described and dropped by a client."""
    server = serve("--set", f"connector.file.allowed.paths={tmp_path}")
    out = tmp_path / "out.txt"
    source, sink = server.ksql(
        "CREATE SOURCE CONNECTOR made WITH ('connector.class' = 'DatagenSource', 'kafka.topic' = 'made', 'quickstart' = 'orders',"
        " 'max.interval' = '5'); ASSERT TOPIC made TIMEOUT 20 SECONDS;"
        f"CREATE SINK CONNECTOR `written` WITH ('connector.class' = 'FileSink', 'topics' = 'made', 'file' = '{out}');"
    )[::2]
    assert (source["@type"], source["info"]["name"], source["info"]["type"]) == ("connector_info", "MADE", "source")
    assert (sink["info"]["name"], sink["info"]["tasks"]) == ("written", [{"connector": "written", "task": 0}])
    assert sink["info"]["config"]["file"] == str(out)
    deadline = time.monotonic() + 30
    while not (out.exists() and out.stat().st_size):
        assert time.monotonic() < deadline, server.ksql("SHOW CONNECTORS;")
        time.sleep(0.02)  # another process writes the file
    shown, sinks, plugins = server.ksql("SHOW CONNECTORS; SHOW SINK CONNECTORS; SHOW CONNECTOR PLUGINS;")
    assert shown["connectors"] == [
        {"name": "MADE", "type": "source", "className": "DatagenSource", "state": "RUNNING (1/1 tasks RUNNING)"},
        {"name": "written", "type": "sink", "className": "FileSink", "state": "RUNNING (1/1 tasks RUNNING)"},
    ]
    assert [each["name"] for each in sinks["connectors"]] == ["written"]
    assert {"class": "FileSink", "type": "sink", "version": ""} in plugins["connectorsPlugins"]
    (described,) = server.ksql("DESCRIBE CONNECTOR `written`;")
    assert (described["@type"], described["connectorClass"], described["topics"]) == ("connector_description", "FileSink", ["made"])
    assert described["status"]["tasks"][0]["state"] == "RUNNING"
    (again,) = server.ksql("CREATE SINK CONNECTOR IF NOT EXISTS `written` WITH ('connector.class' = 'FileSink', 'topics' = 'made', 'file' = 'x');")
    assert again["@type"] == "warning_entity"
    paused, resumed = server.ksql("PAUSE CONNECTOR `written`; RESUME CONNECTOR `written`;")
    assert (paused["commandId"], resumed["commandId"]) == ("connector/written/pause", "connector/written/resume")
    httpx.put(f"{server.urls['connect']}/connectors/written/stop", timeout=30).raise_for_status()
    shown, described = server.ksql("SHOW SINK CONNECTORS; DESCRIBE CONNECTOR `written`;")
    assert shown["connectors"][0]["state"] == "STOPPED"
    assert described["status"] == httpx.get(f"{server.urls['connect']}/connectors/written/status", timeout=30).json() | {
        "connector": {"state": "STOPPED", "worker_id": "penstock", "trace": None}
    }
    for path in ("/etc/x", "../x"):
        error = server.refused(f"CREATE SINK CONNECTOR bad WITH ('connector.class' = 'FileSink', 'topics' = 'made', 'file' = '{path}');")
        assert "outside the folders" in error["message"]
    dropped, gone = server.ksql("DROP CONNECTOR `written`; DROP CONNECTOR IF EXISTS `written`;")
    assert (dropped["@type"], dropped["connectorName"], gone["@type"]) == ("drop_connector", "written", "warning_entity")
    assert "There is no connector written" in server.refused("DESCRIBE CONNECTOR `written`;")["message"]
    assert [each["name"] for each in server.ksql("SHOW CONNECTORS;")[0]["connectors"]] == ["MADE"]
    assert server.stop() == (0, "")


def test_secrets_are_never_answered(serve: Serve) -> None:
    server = serve(environment={"HIDDEN_TOKEN": "hunter2"})
    made = server.ksql(
        "CREATE STREAM quiet (n INT) WITH (KAFKA_TOPIC = 'quiet', VALUE_FORMAT = 'JSON');"
        "CREATE SINK CONNECTOR hook WITH ('connector.class' = 'HttpSink', 'topics' = 'quiet', 'http.api.url' = 'http://127.0.0.1:1/${env:HIDDEN_TOKEN}',"
        " 'connection.password' = 'plain secret', 'auth.type' = 'BASIC', 'connection.user' = 'u');"
    )
    text = json.dumps([made, server.ksql("SHOW CONNECTORS; DESCRIBE CONNECTOR hook; SHOW STREAMS EXTENDED;")])
    assert "hunter2" not in text
    assert '"connection.password": "plain secret"' not in json.dumps(made[1].get("info", {}))
    assert server.stop()[0] == 0
