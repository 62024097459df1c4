"""A real Apache Kafka broker for tests: that of PENSTOCK_TEST_KAFKA, else one KRaft node from its Java archives, else one in Docker."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import require

POM = Path(__file__).parent / "kafka" / "pom.xml"
START_S = 60
FETCH_S = 300
QUICK_START = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Djava.net.preferIPv4Stack=true")


def version() -> str:
    """The broker's version, as the pom has it."""
    found = re.search(r"<artifactId>kafka_2\.13</artifactId>\s*<version>([^<]+)<", POM.read_text())
    assert found
    return found.group(1)


@pytest.fixture(scope="session")
def kafka_bootstrap() -> Iterator[str]:
    """The address of a broker; started when the first test asks for it, stopped after the last."""
    given = os.environ.get("PENSTOCK_TEST_KAFKA")
    if given:
        yield given
        return
    java, docker = shutil.which("java") and shutil.which("mvn"), shutil.which("docker")
    require(java or docker, "an Apache Kafka broker", "Set PENSTOCK_TEST_KAFKA=host:port, or install java and mvn, or Docker.")
    with _from_archives() if java else _from_docker() as bootstrap:
        yield bootstrap


def _archives() -> Path:
    """The folder of the broker's archives, fetched by Maven at the first use."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "penstock" / f"kafka-{version()}"
    if not cache.exists():
        cache.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix="kafka-", dir=cache.parent))
        command = ["mvn", "--quiet", "--batch-mode", f"--file={POM}", "dependency:copy-dependencies", f"-DoutputDirectory={draft}"]
        fetched = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_S, check=False)
        if fetched.returncode:
            shutil.rmtree(draft)
            reason = (fetched.stdout + fetched.stderr).strip()[-500:]
            require(False, "Apache Kafka's archives", f"Maven could not fetch them: {reason}")
        with contextlib.suppress(OSError):
            draft.rename(cache)  # another test process may have been quicker
        shutil.rmtree(draft, ignore_errors=True)
    return cache


def free_ports(count: int) -> list[int]:
    """Ports on loopback that nobody listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextlib.contextmanager
def _from_archives() -> Iterator[str]:
    classpath = f"{_archives()}/*"
    folder = Path(tempfile.mkdtemp(prefix="penstock-kafka-"))
    broker, controller = free_ports(2)
    settings = folder / "server.properties"
    settings.write_text(
        f"""process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
inter.broker.listener.name=PLAINTEXT
controller.listener.names=CONTROLLER
log.dirs={folder}/data
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
group.initial.rebalance.delay.ms=0
auto.create.topics.enable=false
"""
    )
    output = (folder / "broker.log").open("w+")
    process = None
    try:
        formatting = [
            "java",
            *QUICK_START,
            "-cp",
            classpath,
            "kafka.tools.StorageTool",
            "format",
            "-t",
            "cGVuc3RvY2stdGVzdHMtMQ",
            "-c",
            str(settings),
        ]
        subprocess.run(formatting, stdout=output, stderr=output, timeout=START_S, check=True)
        process = subprocess.Popen(["java", *QUICK_START, "-cp", classpath, "kafka.Kafka", str(settings)], stdout=output, stderr=output)
        if not _answers("127.0.0.1", broker, lambda: process.poll() is None):
            output.seek(0)
            pytest.fail(f"The broker did not start:\n{output.read()[-2000:]}", pytrace=False)
        yield f"127.0.0.1:{broker}"
    finally:
        if process:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        output.close()
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def _from_docker() -> Iterator[str]:
    (port,) = free_ports(1)
    name = f"penstock-kafka-{uuid.uuid4().hex[:8]}"
    settings = {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_LISTENERS": "PLAINTEXT://:9092,CONTROLLER://:9093",
        "KAFKA_ADVERTISED_LISTENERS": f"PLAINTEXT://127.0.0.1:{port}",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
    }
    environment = [part for setting, value in settings.items() for part in ("--env", f"{setting}={value}")]
    command = ["docker", "run", "--rm", "--detach", "--name", name, "--publish", f"127.0.0.1:{port}:9092", *environment, f"apache/kafka:{version()}"]
    started = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_S, check=False)
    require(started.returncode == 0, "an Apache Kafka broker", f"Docker could not start one: {started.stderr.strip()[-300:]}")
    try:
        if not _answers("127.0.0.1", port, lambda: True):
            pytest.fail("The broker in Docker did not start.", pytrace=False)
        yield f"127.0.0.1:{port}"
    finally:
        subprocess.run(["docker", "stop", name], capture_output=True, check=False)


def _answers(host: str, port: int, alive: object) -> bool:
    """Wait until the broker answers a client's request for its topics."""
    from confluent_kafka import KafkaException
    from confluent_kafka.admin import AdminClient

    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and callable(alive) and alive():
        with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
            client = AdminClient({"bootstrap.servers": f"{host}:{port}", "log_level": 0})
            with contextlib.suppress(KafkaException):
                client.list_topics(timeout=5)
                return True
        time.sleep(0.1)  # nothing tells when a process begins to listen
    return False
