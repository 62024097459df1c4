"""A real search server for tests: one OpenSearch node, from its Java archives, on loopback."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.conftest import require
from tests.kafka_broker import free_ports

FOLDER = Path(__file__).parent / "opensearch"
START_S = 120
FETCH_S = 300
QUICK_START = ("-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto")


@pytest.fixture(scope="session")
def search_url() -> Iterator[str]:
    """The address of a node; started when the first test asks for it, stopped after the last."""
    require(shutil.which("java") and shutil.which("mvn"), "an OpenSearch node", "Install java and mvn.")
    archives, folder = _archives(), Path(tempfile.mkdtemp(prefix="penstock-opensearch-"))
    (port,) = free_ports(1)
    command = ["java", *QUICK_START, "-cp", f"{archives}/*", str(FOLDER / "OpenSearchNode.java"), str(folder), str(port)]
    url = f"http://127.0.0.1:{port}"
    with (folder / "node.log").open("w+") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            if not _answers(url, process):
                output.seek(0)
                pytest.fail(f"The node did not start:\n{output.read()[-2000:]}", pytrace=False)
            yield url
        finally:
            process.kill()  # its data are thrown away
            process.wait()
            shutil.rmtree(folder, ignore_errors=True)


def _archives() -> Path:
    """The folder of the node's archives, fetched by Maven at the first use."""
    version = re.search(r"<artifactId>opensearch</artifactId>\s*<version>([^<]+)<", (FOLDER / "pom.xml").read_text())
    assert version
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "penstock" / f"opensearch-{version[1]}"
    if not cache.exists():
        cache.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix="opensearch-", dir=cache.parent))
        command = ["mvn", "--quiet", "--batch-mode", f"--file={FOLDER / 'pom.xml'}", "dependency:copy-dependencies", f"-DoutputDirectory={draft}"]
        fetched = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_S, check=False)
        if fetched.returncode:
            shutil.rmtree(draft)
            require(False, "OpenSearch's archives", f"Maven could not fetch them: {(fetched.stdout + fetched.stderr).strip()[-500:]}")
        with contextlib.suppress(OSError):
            draft.rename(cache)  # another test process may have been quicker
        shutil.rmtree(draft, ignore_errors=True)
    return cache


def _answers(url: str, process: subprocess.Popen[bytes]) -> bool:
    """Wait until the node answers."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(f"{url}/_cluster/health?wait_for_status=yellow", timeout=10).status_code == 200:
                return True
        time.sleep(0.1)  # nothing tells when a process begins to listen
    return False
