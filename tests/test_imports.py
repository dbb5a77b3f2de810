"""The table "may import" of the design holds, also through other modules, and the check itself works."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = frozenset(
    {
        "machine",
        "data",
        "adapters",
        "encryption",
        "privacy",
        "protocol",
        "client_app",
        "strategies",
        "server_app",
        "evaluation",
        "simulation",
        "launcher",
        "deploy",
    }
)

# what epsilon follows from: public settings and counts alone, no data, no noise, no model
ACCOUNTING = {"privacy.accounting", "privacy.hospital"}
# room -> what its modules may import of ours, and through any chain (a package stands for all of its modules, and a
# module for itself and the packages that it is in)
MAY_IMPORT = {
    "machine": {"machine"},
    "data": {"data", "machine"},
    "adapters": {"adapters", "machine"},
    "encryption": {"encryption", "machine"},
    "privacy": {"privacy", "machine"},
    "protocol": {"protocol", "machine", *ACCOUNTING},
    "client_app": {
        "machine",
        "client_app",
        "data",
        "adapters",
        "privacy",
        "protocol",
        "encryption",
    },
    "strategies": {"strategies", "protocol", "encryption", "machine", *ACCOUNTING},
    "server_app": {"server_app", "strategies", "protocol", "encryption", "machine", *ACCOUNTING},
    "simulation": {
        "machine",
        "simulation",
        "client_app",
        "privacy",
        "protocol",
        "encryption",
    },
}
# what makes, holds or uses a secret: the holders' side of encryption
HOLDERS = {
    f"encryption.{name}"
    for name in (
        "holder",
        "parallel",
        "secret",
        "bfv_key",
        "key_file",
        "key_format",
        "keys",
        "snapshot",
        "ckks_holder",
    )
}
# what makes noise: who could draw it anew, or ahead, is not to be near a sum
SAMPLERS = {"privacy.discrete"}
# room -> what its modules must not reach through any chain
MAY_NOT_REACH = {
    "strategies": {*HOLDERS, *SAMPLERS, "client_app", "data", "adapters", "evaluation", "torch"},
    "server_app": {*HOLDERS, *SAMPLERS, "client_app", "data", "adapters", "evaluation", "torch"},
    "client_app": {"encryption.aggregator", "strategies", "server_app", "evaluation"},
    "protocol": {"torch"},
    "encryption": {"torch"},
}


def modules(root: Path, rooms: frozenset[str] = ROOMS) -> dict[str, Path]:
    """Dotted name -> file of every module of ours."""
    found = {}
    for room in rooms:
        for path in sorted((root / room).rglob("*.py")) if (root / room).is_dir() else []:
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(name: str, path: Path, known: dict[str, Path]) -> Iterator[str]:
    """Every module that ``path`` imports anywhere: at the top, in functions, for type checking, or by name."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names if f"{base}.{alias.name}" in known)
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "__import__", "run_module") and isinstance(node.args[0].value, str):
                yield node.args[0].value


def graph(root: Path, rooms: frozenset[str] = ROOMS) -> dict[str, set[str]]:
    """Module -> modules that importing it imports, packages on the way included."""
    known = modules(root, rooms)
    out: dict[str, set[str]] = {}
    for name, path in known.items():
        wanted: set[str] = set()
        for target in imports(name, path, known):
            parts = target.split(".")
            wanted |= {".".join(parts[: i + 1]) for i in range(len(parts))}
        out[name] = {target for target in wanted if target in known or target.split(".")[0] not in rooms}
        if "." in name:
            out[name].add(name.rpartition(".")[0])
    return out


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def reached(start: str, edges: dict[str, set[str]]) -> dict[str, list[str]]:
    """Module -> a shortest chain of imports that leads to it from ``start``."""
    chains, queue = {start: [start]}, [start]
    for name in queue:
        for target in sorted(edges.get(name, ())):
            if target not in chains:
                chains[target] = [*chains[name], target]
                queue.append(target)
    return chains


def breaches(root: Path, rooms: frozenset[str] = ROOMS) -> list[str]:
    """Every chain of imports that the table does not allow."""
    edges, found = graph(root, rooms), []
    for name in sorted(edges):
        room = name.split(".")[0]
        for target, chain in reached(name, edges).items():
            ours = target.split(".")[0] in rooms
            allowed = MAY_IMPORT.get(room)
            forbidden = MAY_NOT_REACH.get(room, set())
            named = allowed is not None and any(within(target, p) or within(p, target) for p in allowed)
            outside = ours and allowed is not None and not named
            if outside or any(within(target, package) for package in forbidden):
                found.append(" -> ".join(chain))
    return found


def test_every_import_is_one_that_the_design_allows() -> None:
    assert breaches(ROOT) == []


def test_every_room_of_the_table_was_looked_at() -> None:
    names = modules(ROOT)
    for room in (
        "machine",
        "data",
        "adapters",
        "encryption",
        "protocol",
        "client_app",
        "strategies",
        "server_app",
        "simulation",
    ):
        assert sum(within(name, room) for name in names) > 2, room
    assert {"encryption.holder", "encryption.aggregator", "server_app.app", "client_app.node"} <= set(names)


def test_the_aggregator_reaches_its_own_face_and_the_node_the_holders() -> None:
    edges = graph(ROOT)
    assert "encryption.aggregator" in reached("server_app.app", edges)
    assert "encryption.holder" in reached("client_app.node", edges)
    assert "encryption.holder" not in reached("server_app.app", edges)


def test_what_an_aggregators_operator_starts_reaches_no_key_and_no_model() -> None:
    edges = graph(ROOT)
    for name in ("deploy.aggregator", "deploy.keeper", "deploy.certificates", "deploy.node_keys"):
        found = reached(name, edges)
        assert not [target for target in found if any(within(target, holder) for holder in HOLDERS)], name
        assert "torch" not in found, name


FACELESS = ("aggregator", "bfv", "ckks", "ckks_aggregator", "dither", "packing", "plan", "settings")


def test_what_the_server_reaches_of_encryption_is_either_face_less_or_the_aggregators() -> None:
    edges = graph(ROOT)
    found = {name for name in reached("server_app.app", edges) if within(name, "encryption")}
    assert found == {
        "encryption",
        *(f"encryption.{n}" for n in FACELESS),
    }


def test_no_module_that_the_server_reaches_names_a_key_or_a_decryptor() -> None:
    """Whoever can import SEAL could make a key: what the server's modules do with it is read off their names."""
    known, edges = modules(ROOT), graph(ROOT)
    banned = {"Decryptor", "KeyGenerator", "SecretKey", "Encryptor", "decrypt", "secret_key", "encrypt_symmetric"}
    used = {}
    for name in set(reached("server_app.app", edges)) & set(known):
        tree = ast.parse(known[name].read_text(encoding="utf-8"))
        words = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
        words |= {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
        words |= {a.name for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom) for a in n.names}
        used[name] = words & banned
    assert len(used) > 40 and not any(used.values()), used
    holder = ast.walk(ast.parse(known["encryption.holder"].read_text(encoding="utf-8")))
    assert {n.attr for n in holder if isinstance(n, ast.Attribute)} & banned  # and the words are the right ones


def test_simulation_uses_no_more_of_encryption_than_the_plan_by_itself() -> None:
    known = modules(ROOT)
    direct = {t for n, p in known.items() if within(n, "simulation") for t in imports(n, p, known)}
    assert {t for t in direct if within(t, "encryption")} <= {"encryption", "encryption.plan"}


# ---------------------------------------------------------------------- the check, on a made-up tree

CLEAN = {
    "encryption/__init__.py": "",
    "encryption/holder.py": "import numpy",
    "encryption/aggregator.py": "",
    "protocol/__init__.py": "",
    "protocol/wire.py": "import json",
    "strategies/__init__.py": "",
    "strategies/combine.py": "from encryption.aggregator import ARITHMETIC\nfrom protocol import wire",
    "server_app/__init__.py": "",
    "server_app/app.py": "from strategies.combine import combine",
    "client_app/__init__.py": "",
    "client_app/node.py": "from encryption import holder",
    "data/__init__.py": "",
    "data/notes.py": "from . import readers",
    "data/readers.py": "",
    "adapters/__init__.py": "import torch",
    "privacy/__init__.py": "",
    "privacy/hospital.py": "import numpy",
    "privacy/discrete.py": "import numpy",
}


def tree(root: Path, changes: dict[str, str] | None = None) -> Path:
    for name, text in (CLEAN | (changes or {})).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_a_clean_tree_passes(tmp_path: Path) -> None:
    assert breaches(tree(tmp_path)) == []


PRIVATE_TORCH = "protocol.wire -> privacy.hospital -> torch"


@pytest.mark.parametrize(
    ("changes", "chain"),
    [
        ({"server_app/app.py": "import encryption.holder"}, "server_app.app -> encryption.holder"),
        ({"server_app/app.py": "from encryption import holder"}, "server_app.app -> encryption.holder"),
        ({"server_app/app.py": "from encryption.holder import open_clear"}, "server_app.app -> encryption.holder"),
        ({"server_app/app.py": "def f():\n    import encryption.holder as h"}, "server_app.app -> encryption.holder"),
        (
            {"strategies/combine.py": "if TYPE_CHECKING:\n    import client_app"},
            "strategies.combine -> client_app",
        ),
        (
            {"server_app/app.py": "import importlib\nimportlib.import_module('encryption.holder')"},
            "server_app.app -> encryption.holder",
        ),
        (
            {"encryption/aggregator.py": "from .holder import x"},
            "strategies.combine -> encryption.aggregator -> encryption.holder",
        ),
        (
            {"encryption/__init__.py": "from encryption import holder"},
            "strategies.combine -> encryption -> encryption.holder",
        ),
        ({"protocol/wire.py": "import data.notes"}, "protocol.wire -> data"),
        ({"protocol/wire.py": "import encryption"}, "protocol.wire -> encryption"),
        ({"data/notes.py": "from protocol.wire import x"}, "data.notes -> protocol"),
        ({"adapters/__init__.py": "import encryption"}, "adapters -> encryption"),
        ({"encryption/holder.py": "import protocol"}, "encryption.holder -> protocol"),
        ({"client_app/node.py": "from strategies import combine"}, "client_app.node -> strategies"),
        ({"client_app/node.py": "from encryption import aggregator"}, "client_app.node -> encryption.aggregator"),
        ({"server_app/app.py": "import torch.nn"}, "server_app.app -> torch"),
        ({"strategies/combine.py": "import adapters"}, "strategies.combine -> adapters"),
        ({"strategies/combine.py": "import privacy.discrete"}, "strategies.combine -> privacy.discrete"),
        (
            {"server_app/app.py": "from privacy import hospital", "privacy/hospital.py": "import privacy.discrete"},
            "server_app.app -> privacy.hospital -> privacy.discrete",
        ),
        ({"protocol/wire.py": "from privacy import discrete"}, "protocol.wire -> privacy.discrete"),
        ({"privacy/hospital.py": "import torch", "protocol/wire.py": "import privacy.hospital"}, PRIVATE_TORCH),
    ],
)
def test_a_forbidden_import_is_found(tmp_path: Path, changes: dict[str, str], chain: str) -> None:
    assert chain in breaches(tree(tmp_path, changes))


def test_a_chain_through_an_outsider_is_found(tmp_path: Path) -> None:
    root = tree(
        tmp_path, {"launcher/lines.py": "import encryption.holder", "server_app/app.py": "from launcher import lines"}
    )
    assert any("encryption.holder" in chain for chain in breaches(root) if chain.startswith("server_app.app"))
