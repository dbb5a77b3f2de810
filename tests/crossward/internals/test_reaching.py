"""Other packages' internals are used in ``crossward.internals`` alone, and the search for them works."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sources import python_files

ROOT = Path(__file__).parents[3]
INTERNALS = "crossward/internals/"
# a program of NVFlare's environment, which does not have this package
ELSEWHERE = "benchmarks/nvflare_he/worker.py"
OTHERS = ("tests/", ELSEWHERE)
PUBLIC_FLOWER = {"flwr", "flwr.app", "flwr.clientapp", "flwr.serverapp", "flwr.serverapp.strategy", "flwr.common.log"}
DOCUMENTED = {"_replace", "_asdict", "_fields", "_make", "_exit"}  # of named tuples, and os._exit
VARIABLES = re.compile(r"(FLWR_PRIVATE_|FLWR_LOCAL_|TORCH_DISABLE_)\w+")
IMPORTERS = ("import_module", "__import__", "run_module", "find_spec")


def parsed(root: Path) -> dict[str, ast.Module]:
    """Path below ``root`` -> what is in it, of every file but tests."""
    names = {path.relative_to(root).as_posix(): path for path in python_files(root)}
    return {name: ast.parse(path.read_text("utf-8")) for name, path in names.items() if not name.startswith(OTHERS)}


@pytest.fixture(scope="module")
def project() -> dict[str, ast.Module]:
    return parsed(ROOT)


def private(name: object) -> bool:
    return isinstance(name, str) and name.startswith("_") and not name.startswith("__") and name not in DOCUMENTED


def defined(tree: ast.Module) -> set[str]:
    """Private names that are ours: functions, classes, class and module variables, and what is set on ``self``."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            if isinstance(node.value, ast.Name) and node.value.id in ("self", "cls"):
                found.add(node.attr)
        elif isinstance(node, ast.alias):
            found.add(node.asname or node.name)
    return {name for name in found if private(name)}


def imported(tree: ast.Module, ours: set[str]) -> Iterator[tuple[ast.AST, str, str]]:
    """(where, dotted name, name here) of all that is imported and not ours."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                here = alias.asname or alias.name.split(".")[0]
                if alias.name.split(".")[0] not in ours:
                    yield node, alias.name, here
        elif isinstance(node, ast.ImportFrom) and not node.level and str(node.module).split(".")[0] not in ours:
            for alias in node.names:
                yield node, f"{node.module}.{alias.name}", alias.asname or alias.name
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            name = str(node.args[0].value)
            if called in IMPORTERS and name.split(".")[0] not in ours:
                yield node, name, ""


def is_internal(name: str) -> bool:
    """Whether the dotted ``name`` of something imported is not for others."""
    if name.startswith("flwr.") or name == "flwr":
        return not any(name == public or name.rpartition(".")[0] == public for public in PUBLIC_FLOWER - {"flwr"})
    return any(private(part) for part in name.split(".") if part != "__future__")


def reaches(tree: ast.Module, ours: set[str], known: set[str]) -> Iterator[tuple[ast.AST, str]]:
    """(where, what) of every use of internals; ``ours``: our packages, ``known``: our private names."""
    foreign = set()
    for node, name, here in imported(tree, ours):
        foreign.add(here)
        if is_internal(name):
            yield node, f"imports {name}"
    for node in ast.walk(tree):
        match node:
            case ast.Attribute():
                uses = by_attribute(node, foreign, known)
            case ast.Subscript(value=of, ctx=ast.Store()):
                uses = by_item(ast.unparse(of))
            case ast.Call(func=ast.Name(id=function), args=[first, second, *_]):
                uses = by_function(function, first, second, foreign, known)
            case ast.Constant(value=str(text)) if VARIABLES.fullmatch(text):
                uses = iter([f"sets {text}"])
            case _:
                continue
        yield from ((node, what) for what in uses)


def by_attribute(node: ast.Attribute, foreign: set[str], known: set[str]) -> Iterator[str]:
    if private(node.attr) and node.attr not in known:
        yield f"uses .{node.attr}"
    if isinstance(node.ctx, ast.Store | ast.Del) and isinstance(node.value, ast.Name) and node.value.id in foreign:
        yield f"changes {ast.unparse(node)}"


def by_item(of: str) -> Iterator[str]:
    if of == "sys.modules" or of.endswith(".__dict__") or of.startswith("vars("):
        yield f"changes {of}"


def by_function(function: str, first: ast.expr, second: ast.expr, foreign: set[str], known: set[str]) -> Iterator[str]:
    if function in ("getattr", "hasattr", "setattr", "delattr"):
        name = getattr(second, "value", None)
        if private(name) and name not in known:
            yield f"uses .{name}"
        if function in ("setattr", "delattr") and getattr(first, "id", "") in foreign:
            yield f"changes {ast.unparse(first)}"


def found(trees: dict[str, ast.Module], besides: str = INTERNALS) -> list[str]:
    """``file:line what`` of every use of another package's internals in files that are not ``besides``."""
    trees = {name: tree for name, tree in trees.items() if not name.startswith(besides)}
    ours = {name.split("/")[0].removesuffix(".py") for name in trees} | {"crossward", "tests"}
    known = {name for tree in trees.values() for name in defined(tree)}
    return [
        f"{name}:{getattr(node, 'lineno', 0)} {what}"
        for name, tree in trees.items()
        for node, what in reaches(tree, ours, known)
    ]


def test_internals_of_other_packages_are_used_in_one_place(project: dict[str, ast.Module]) -> None:
    assert len(project) > 200
    assert found(project) == []


def test_the_internals_themselves_would_be_found(project: dict[str, ast.Module]) -> None:
    files_with = {line.split(":")[0] for line in found(project, besides="nothing")}
    assert files_with >= {INTERNALS + f"{name}.py" for name in ("python", "uvicorn", "bitsandbytes", "flower")}


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("def f(grid):\n    return grid._client", "uses ._client"),
        ("def f(grid):\n    grid._client = None", "uses ._client"),
        ("class A(Base):\n    def f(self):\n        return self._inherited", "uses ._inherited"),
        ("def f(grid):\n    return getattr(grid, '_client', None)", "uses ._client"),
        ("def f(grid):\n    setattr(grid, '_client', None)", "uses ._client"),
        ("import torch._dynamo", "imports torch._dynamo"),
        ("from torch import _dynamo as d", "imports torch._dynamo"),
        ("import importlib\nimportlib.import_module('torch._dynamo')", "imports torch._dynamo"),
        ("from flwr.supercore import constant", "imports flwr.supercore.constant"),
        ("import flwr.common.constant", "imports flwr.common"),
        ("def f():\n    from flwr.supercore.run import Run", "imports flwr.supercore.run.Run"),
        ("import torch\ntorch.compile = None", "changes torch.compile"),
        ("import torch as t\nsetattr(t, 'compile', None)", "changes t"),
        ("from flwr.app import Message\nMessage.content = None", "changes Message.content"),
        ("import sys\nsys.modules['uvloop'] = None", "changes sys.modules"),
        ("def f(message):\n    message.metadata.__dict__['x'] = 1", "changes message.metadata.__dict__"),
        ("def f(message):\n    vars(message)['x'] = 1", "changes vars(message)"),
        ("ENVIRONMENT = {'FLWR_PRIVATE_MAX_ARRAY_CHUNK_SIZE': '1'}", "sets FLWR_PRIVATE_MAX_ARRAY_CHUNK_SIZE"),
    ],
)
def test_a_use_of_internals_is_found(tmp_path: Path, text: str, what: str) -> None:
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "module.py").write_text(text)
    lines = found(parsed(tmp_path))
    assert any(what in line for line in lines), lines


def test_what_is_public_or_ours_passes(tmp_path: Path) -> None:
    (tmp_path / "room").mkdir()
    (tmp_path / "room" / "other.py").write_text("class Other:\n    def __init__(self):\n        self._ours = 1\n")
    (tmp_path / "room" / "module.py").write_text(
        "from __future__ import annotations\nimport os\nfrom flwr.app import Message\nfrom flwr.common import log\n"
        "from flwr.serverapp.strategy import Strategy\nfrom room.other import Other\n"
        "def f(other, row):\n    row.content = other._ours\n    os.environ['A'] = 'b'\n    return row._replace(a=1)\n"
    )
    (tmp_path / "crossward" / "internals").mkdir(parents=True)
    (tmp_path / "crossward" / "internals" / "torch.py").write_text("import torch\ntorch.compile = None\n")
    assert found(parsed(tmp_path)) == []
