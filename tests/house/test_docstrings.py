"""Every public function, class and method says what it is for."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def undocumented(tree: ast.AST, prefix: str = "", inherited: bool = False) -> Iterator[tuple[str, int]]:
    """Public definitions without a docstring. Fields of a dataclass are read in its own docstring; a method of a Protocol or of a class
    that has a base may rely on the base's; an overload says nothing of its own."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, Definition) or node.name.startswith("_"):
            continue
        decorators = {ast.unparse(d).split("(")[0] for d in node.decorator_list}
        obvious = decorators & {"overload", "typing.overload"} or any(d.endswith((".setter", ".deleter")) for d in decorators)
        if not ast.get_docstring(node) and not obvious and not inherited and not _speaks_for_itself(node):
            yield f"{prefix}{node.name}", node.lineno
        if isinstance(node, ast.ClassDef):
            yield from undocumented(node, f"{node.name}.", inherited=bool(node.bases))


def _speaks_for_itself(node: Definition) -> bool:
    """A frozen dataclass of fields alone, whose names and types are the documentation (with comments where they are not enough)."""
    return (
        isinstance(node, ast.ClassDef)
        and any("dataclass" in ast.unparse(d) for d in node.decorator_list)
        and not any(isinstance(n, ast.FunctionDef) and not n.name.startswith("__") for n in node.body)
    ) or (isinstance(node, ast.ClassDef) and any(ast.unparse(b).split("[")[0] in ("Protocol", "typing.Protocol") for b in node.bases))


def test_public_definitions_are_documented() -> None:
    missing = []
    for folder in ("src", "pipelines", "bench", "scripts"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            tree = ast.parse(path.read_text())
            if tree.body and not ast.get_docstring(tree):
                missing.append(f"{path.relative_to(ROOT)}: the module")
            missing += [f"{path.relative_to(ROOT)}:{line}: {name}" for name, line in undocumented(tree)]
    assert not missing, "no docstring:\n" + "\n".join(missing)


def test_the_rule_can_fail() -> None:
    found = list(undocumented(ast.parse("def f(): pass\nclass C:\n    'x'\n    def g(self): pass\n    def _h(self): pass\n")))
    assert found == [("f", 1), ("C.g", 4)]
