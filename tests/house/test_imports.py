"""Imports run one way, and `import penstock` is quick."""

from __future__ import annotations

import ast
import importlib.util
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "src" / "penstock"

# Room -> the height it stands at: a module may import from its own room and from lower ones. Rooms of one height do not know each other,
# but for the pairs of SIDEWAYS. Every room and module of the package must stand here.
HEIGHT = {
    "errors": 0, "simulation": 0, "cancellation": 1, "sql": 1,
    "formats": 2, "log": 2, "registry": 2, "functions": 2, "settings": 2, "result": 2,
    "plan": 3, "connect": 3,
    "catalog": 4,
    "engine": 5,
    "statements": 6,
    "database": 7, "testing_nodes": 7, "testing": 8,
    "bots": 8, "server": 8, "console": 9,
    "cli": 10, "__main__": 11,
}  # fmt: skip
SIDEWAYS = {("formats", "registry"), ("registry", "log"), ("plan", "catalog")}
PUBLIC = ("", "errors", "bots", "simulation")
HEAVY = ("duckdb", "pyarrow", "polars", "lmdb", "lark", "pandas", "confluent_kafka", "httpx", "typer", "rich", "prompt_toolkit")
IMPORT_MS_MAX = 150


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """The modules that a file imports, absolute, with the line; imports for the type checker alone do not count."""
    tree = ast.parse(path.read_text())
    for_types = {
        id(inner) for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test) for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 or "pipelines" in path.parts, f"{path}:{node.lineno}: import by the full name"
            for alias in node.names:
                yield (f"{node.module}.{alias.name}" if node.module == "penstock" else node.module or "", node.lineno)


def room(module: str) -> str:
    """The room of `penstock.log.embedded` is `log`; that of `penstock.connect_function` (a name of the package itself) is ''."""
    parts = module.split(".")
    if len(parts) < 2:
        return ""
    return parts[1] if (PACKAGE / parts[1]).is_dir() or (PACKAGE / f"{parts[1]}.py").is_file() else ""


def violations(path: Path, own: str) -> Iterator[str]:
    for module, line in imports(path):
        if module.split(".")[0] != "penstock":
            continue
        other = room(module)
        if other in ("", own):
            continue
        if HEIGHT[other] >= HEIGHT[own] and (own, other) not in SIDEWAYS:
            yield f"{path.relative_to(ROOT)}:{line}: {own} must not know {other}"


def test_every_room_has_its_height() -> None:
    for path in PACKAGE.iterdir():
        name = path.stem
        if name.startswith("_") or path.name in ("py.typed",) or name == "__pycache__":
            continue
        assert name in HEIGHT, f"{path.relative_to(ROOT)}: say in {Path(__file__).name} how high it stands"


def test_imports_run_one_way() -> None:
    files = [p for p in sorted(PACKAGE.rglob("*.py")) if p != PACKAGE / "__init__.py"]
    wrong = [v for p in files for v in violations(p, p.relative_to(PACKAGE).parts[0].removesuffix(".py"))]
    assert not wrong, "\n".join(wrong)


def test_a_violation_is_seen(tmp_path: Path) -> None:
    """The rule can fail: a log module that imports the engine is told of, and a type checker's import is not."""
    path = PACKAGE / "log" / "x.py"
    source = tmp_path / "src" / "penstock" / "log" / "x.py"
    source.parent.mkdir(parents=True)
    source.write_text("from typing import TYPE_CHECKING\nimport penstock.engine\nif TYPE_CHECKING:\n    import penstock.cli\n")
    found = [module for module, _ in imports(source)]
    assert found == ["typing.TYPE_CHECKING", "penstock.engine"] or found == ["typing", "penstock.engine"]
    assert HEIGHT[room("penstock.engine")] > HEIGHT[path.parent.name]


def test_pipelines_use_the_public_interface_alone() -> None:
    """A pipeline is what a user would write: `import penstock`, its errors, bots and what simulations share, and no other room of it."""
    for path in sorted((ROOT / "pipelines").rglob("*.py")):
        for module, line in imports(path):
            assert not module.startswith("penstock.") or room(module) in PUBLIC, f"{path.relative_to(ROOT)}:{line} imports {module}"


def test_a_command_imports_no_pandas(tmp_path: Path, needs: Callable[[object, str, str], None]) -> None:
    """pyarrow would, with the first array that it makes, though nobody asks for it: only functions in Python may."""
    needs(importlib.util.find_spec("pandas"), "the Python module pandas", "Run `make environment`.")
    (tmp_path / "own.py").write_text("import penstock\n\n@penstock.udf\ndef twice(n: int) -> int:\n    return 2 * n\n")
    query = [sys.executable, "-X", "importtime", "-m", "penstock", "query", "--data", ":memory:", "-o", "csv"]
    statements = "CREATE STREAM s (n INT) WITH (kafka_topic='s', value_format='JSON'); INSERT INTO s (n) VALUES (1); SELECT n + 1 AS m FROM s;"
    for more, imported in ((["--define", "a=b"], False), (["--functions", "own.py"], True)):
        ended = subprocess.run([*query, statements, *more], cwd=tmp_path, capture_output=True, text=True, check=True)
        assert ended.stdout.splitlines()[-2:] == ["M", "2"]
        assert ("pandas.core" in ended.stderr) is imported, ended.stderr


def test_import_is_quick_and_light() -> None:
    """`import penstock` alone, in a new process: under 150 ms of the processor's time (what else the machine does must not count) at the median
    of seven, and without the heavy packages."""
    program = (
        "import sys, time; t = time.process_time(); import penstock; d = time.process_time() - t;"
        f"print(d * 1000, *[m for m in {HEAVY!r} if m in sys.modules])"
    )
    taken_ms = []
    for _ in range(7):
        output = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
        taken_ms.append(float(output[0]))
        assert output[1:] == [], f"`import penstock` imports {output[1:]}"
    assert statistics.median(taken_ms) < IMPORT_MS_MAX, f"`import penstock` takes {taken_ms} ms"
