"""The library's folders: lessons stand beside each other, and what they share knows none of them."""

import ast
from pathlib import Path

import beyond

ROOT = Path(beyond.__file__).parent
LESSONS = {path.parent.name for path in ROOT.glob("*/self_check.py")} - {"ui"}
FOR_OTHERS = {"beyond.cost.formula", "beyond.shop"}
"""What one lesson's folder has for others."""
OPTIONAL = {("beyond.lm.benchmark", "beyond.edge.session")}
"""Imported only where a function asks for it: (module, what it imports)."""


def name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT.parent).with_suffix("").parts).removesuffix(".__init__")


MODULES = {name(path): path for path in ROOT.rglob("*.py")}


def imports(module: str) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(MODULES[module].read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("beyond"):
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                found.add(whole if whole in MODULES else node.module)
    return found - {module}


def lesson(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in LESSONS else None


def test_there_are_lessons():
    assert {"prompting", "cost", "small_models", "moe", "vision", "edge"} <= LESSONS


def test_a_lesson_imports_no_other_lesson():
    crossing = {
        (module, other)
        for module in MODULES
        for other in imports(module)
        if lesson(other) and lesson(other) != lesson(module) and other not in FOR_OTHERS
    }
    assert crossing == OPTIONAL


def test_no_imports_run_in_a_circle():
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " → ".join((*path[path.index(module) :], module))
        if module not in done:
            for other in imports(module) & set(MODULES):
                visit(other, (*path, module))
            done.add(module)

    for module in MODULES:
        if module != "beyond":  # which every one of them imports
            visit(module, ("beyond",) if module == "beyond.old_names" else ())
