"""A broker of the demo's own, on loopback, with a user and a password: Mosquitto where it is installed, else amqtt, as a process beside this one.

It keeps nothing when it ends. The demo starts with what the database holds, so nothing is lost by that, and nothing comes twice.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from penstock.errors import ConfigError, Error

from .credentials import Credentials

USER = "camera"
START_S = 60
PROGRAMS = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/opt/homebrew/sbin"
# When this process ends, however it ends, its end of the pipe is closed, and the broker is told to stop.
GUARD = 'trap "" INT; "$@" & read _; kill $!; wait $!'


@contextlib.contextmanager
def running(*, mosquitto: bool | None = None) -> Iterator[tuple[str, Credentials]]:
    """A broker while the block lasts: what it is, and how to reach it. `mosquitto`: take it, or amqtt; None: what there is. Raises ConfigError
    where there is neither, Error where it does not start."""
    use_mosquitto = bool(_find("mosquitto") and _find("mosquitto_passwd")) if mosquitto is None else mosquitto
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    credentials = Credentials(f"tcp://127.0.0.1:{port}", USER, secrets.token_urlsafe(16))
    with tempfile.TemporaryDirectory(prefix="penstock-broker-") as name:
        folder = Path(name)
        (folder / "passwords").touch(mode=0o600)
        command = (_mosquitto if use_mosquitto else _amqtt)(folder, credentials)
        with (folder / "log").open("wb") as output:
            process = subprocess.Popen(["sh", "-c", GUARD, "sh", *command], stdin=subprocess.PIPE, stdout=output, stderr=output)  # noqa: S603, S607
        assert process.stdin is not None
        try:
            _await(credentials, lambda: process.poll() is None, lambda: (folder / "log").read_text()[-500:])
            yield "Mosquitto" if use_mosquitto else "amqtt", credentials
        finally:
            process.stdin.close()
            process.wait(START_S)


def _find(program: str) -> str:
    return shutil.which(program, path=PROGRAMS) or ""


def _mosquitto(folder: Path, credentials: Credentials) -> list[str]:
    """Mosquitto's settings, and the command that runs it."""
    passwords, settings = folder / "passwords", folder / "mosquitto.conf"
    # The password goes in by the file that -U hashes in place: arguments can be seen by others on the machine.
    passwords.write_text(f"{credentials.username}:{credentials.password}\n")
    subprocess.run([_find("mosquitto_passwd"), "-U", str(passwords)], check=True, capture_output=True)  # noqa: S603
    lines = ["allow_anonymous false", f"password_file {passwords}", "persistence false", f"listener {credentials.port} 127.0.0.1"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        lines.append("user root")  # it would become another user, who may not read the folder
    settings.write_text("\n".join(lines) + "\n")
    return [_find("mosquitto"), "-c", str(settings)]


def _amqtt(folder: Path, credentials: Credentials) -> list[str]:
    """amqtt's settings, and the command that runs it."""
    try:
        from pwdlib import PasswordHash
    except ImportError:
        raise ConfigError(
            "The demo needs an MQTT broker, and there is none.", mend="Install Mosquitto (apt install mosquitto), or pip install 'penstock[broker]'"
        ) from None
    passwords, settings = folder / "passwords", folder / "amqtt.yaml"
    passwords.write_text(f"{credentials.username}:{PasswordHash.recommended().hash(credentials.password)}\n")
    chosen = {
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{credentials.port}"}},
        "plugins": {"amqtt.plugins.authentication.FileAuthPlugin": {"password_file": str(passwords)}},
    }
    settings.write_text(json.dumps(chosen))  # which is YAML too
    return [sys.executable, "-m", "amqtt.scripts.broker_script", "-c", str(settings)]


def _await(credentials: Credentials, lives: Callable[[], bool], why: Callable[[], str]) -> None:
    """Wait until the broker listens. Raises Error."""
    deadline = time.monotonic() + START_S
    while lives() and time.monotonic() < deadline:
        with contextlib.suppress(OSError), socket.create_connection((credentials.host, credentials.port), 1):
            return
        time.sleep(0.02)
    raise Error(f"The broker does not start: {why()}".strip())
