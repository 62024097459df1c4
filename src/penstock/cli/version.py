"""`penstock version`."""

from __future__ import annotations

import platform
from importlib import metadata


def version() -> None:
    """Print the versions of Penstock, Python and the packages that matter most.

    \b
    Example:
      penstock version
    """
    print(f"penstock {metadata.version('penstock')}")
    print(f"python {platform.python_version()} on {platform.system()} {platform.machine()}")
    for package in ("duckdb", "pyarrow", "polars", "lmdb"):
        print(f"{package} {metadata.version(package)}")
