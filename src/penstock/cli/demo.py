"""`penstock demo`."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Annotated

import typer

import penstock
from penstock.cli.stopping import stop_event
from penstock.errors import ConfigError


def demo(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A pipeline that comes with Penstock, or the folder of one of your own.")],
    data: Annotated[str | None, typer.Option("--data", metavar="FOLDER", help="The database's folder; without it a new one is made.")] = None,
    speed: Annotated[
        float | None,
        typer.Option("--speed", min=0.001, help="How many seconds go by in one: 3600 is an hour a second. Without it the pipeline's own pace."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="The same seed simulates the same events.")] = 1,
    alerts: Annotated[int | None, typer.Option("--alerts", min=1, help="End after so many alerts.")] = None,
) -> None:
    """Run a whole pipeline with simulated events, live in the terminal, until Ctrl-C.

    Nothing is needed beside Penstock. What it leaves is an ordinary database, to open by `penstock shell`; the same --data goes on where it was.

    \b
    Example:
      penstock demo houseplants --data plants --speed 7200
    """
    module = load(find(name))
    folder = data or tempfile.mkdtemp(prefix=f"penstock-{Path(name).name}-")
    with stop_event() as stop:
        with connect(folder, module) as db:
            module.run(db, speed=module.SPEED if speed is None else speed, seed=seed, alerts_max=alerts, stop=stop)
        if folder != ":memory:":
            print(f"\nThe database stays in {folder}. Look around: penstock shell --data {folder}", flush=True)


def connect(data: str, module: ModuleType, functions: str | None = None) -> penstock.Database:
    """The database that a pipeline's module is to work on. Where that has CONNECTORS_WAIT = True, its connectors wait until it calls
    `db.start_connectors()`."""
    return penstock.connect(data, functions=functions, start_connectors=not getattr(module, "CONNECTORS_WAIT", False))


def folders() -> dict[str, Path]:
    """The pipelines that come with Penstock: name -> folder, in the installed package or beside its sources."""
    inside = Path(penstock.__file__).parent
    for place in (inside / "pipelines", inside.parents[1] / "pipelines"):
        found = {path.parent.name: path.parent for path in sorted(place.glob("*/demo.py"))}
        if found:
            return found
    return {}


def find(name: str) -> Path:
    """The folder of a pipeline, by its name or as a path. Raises ConfigError."""
    known = folders()
    if name in known:
        return known[name]
    if (Path(name) / "demo.py").is_file():
        return Path(name).resolve()
    raise ConfigError(f"There is no pipeline '{name}'.", mend=f"There are: {', '.join(known)}. Or name a folder that holds a demo.py.")


def load(folder: Path, name: str = "demo") -> ModuleType:
    """A module of a pipeline's folder, whose modules import each other relatively."""
    package = f"penstock_pipeline_{folder.name.replace('-', '_')}"
    spec = importlib.util.spec_from_file_location(package, folder / "__init__.py", submodule_search_locations=[str(folder)])
    if spec is None or spec.loader is None:
        raise ConfigError(f"{folder} holds no Python package.", mend="Give it an empty __init__.py.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[package] = module
    spec.loader.exec_module(module)
    return importlib.import_module(f"{package}.{name}")
