"""Write requirements.lock: every package that Penstock, its extras and its tests need, for every platform, pinned by version and hash.

The first line holds a digest of what pyproject.toml asks for, so that a test can tell when the two disagree.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def asked(pyproject: Path = ROOT / "pyproject.toml") -> str:
    """The digest of the parts of pyproject.toml that decide what is installed."""
    with pyproject.open("rb") as file:
        settings = tomllib.load(file)
    project = settings["project"]
    parts = [project["requires-python"], project["dependencies"], project.get("optional-dependencies", {}), settings.get("dependency-groups", {})]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def main() -> None:
    """Renew the lock, keeping the versions it has where they still serve; `--upgrade` takes the newest."""
    lock = ROOT / "requirements.lock"
    command = [
        sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", "--quiet", "--universal", "--generate-hashes", "--no-emit-index-url",
        "--no-header", "--no-annotate", "--all-extras", "--group", "dev", "--output-file", str(lock), *sys.argv[1:],
    ]  # fmt: skip
    subprocess.run(command, cwd=ROOT, check=True)  # noqa: S603
    pins = "\n".join(line for line in lock.read_text().splitlines() if not line.startswith("# asked "))
    lock.write_text(f"# asked {asked()}: the digest of what pyproject.toml asks for; `make lock` renews this file.\n{pins.strip()}\n")


if __name__ == "__main__":
    main()
