"""The table "may import" of the design holds, also through other modules, and the check itself works."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = frozenset(
    {
        "data",
        "client_app",
        "strategies",
        "server_app",
        "research",
        *(
            f"crossward.{room}"
            for room in (
                "machine",
                "internals",
                "config",
                "adapters",
                "alignment",
                "encryption",
                "privacy",
                "protocol",
                "ledger",
                "report",
                "evaluation",
                "simulation",
                "launcher",
                "cli",
                "deploy",
            )
        ),
    }
)

# what epsilon follows from: public settings and counts alone, no data, no noise, no model
ACCOUNTING = {"crossward.privacy.accounting", "crossward.privacy.hospital"}
# what every room may import: paths, ports and text
MACHINE = "crossward.machine"


def internals(*names: str) -> set[str]:
    """What uses the internals of these packages: a room may reach those that its own libraries need, no others."""
    return {f"crossward.internals.{name}" for name in ("check", *names)}


def rooms(*names: str) -> set[str]:
    """Rooms of the package, and what every room may import."""
    return {MACHINE, *(f"crossward.{name}" for name in names)}


OF_A_NODE = internals("accelerate", "bitsandbytes", "datasets", "python", "rbcl", "torch")
OF_A_SERVER = {*rooms("protocol", "config", "encryption"), *ACCOUNTING, *internals("flower", "flower_grid", "python")}
# room -> what its modules may import of ours, and through any chain (a package stands for all of its modules, and a
# module for itself and the packages that it is in)
MAY_IMPORT = {
    MACHINE: {MACHINE},
    "crossward.internals": {"crossward.internals"},
    "crossward.config": {*rooms("config"), *ACCOUNTING},
    "data": {"data", *rooms("config"), *internals("datasets")},
    "crossward.adapters": {*rooms("adapters", "config"), *internals("bitsandbytes")},
    "crossward.alignment": {*rooms("alignment", "config"), *internals("rbcl")},
    "crossward.encryption": {*rooms("encryption", "config"), *internals("python")},
    "crossward.privacy": rooms("privacy"),
    "crossward.protocol": {*rooms("protocol", "config"), *ACCOUNTING},
    "crossward.ledger": {*rooms("ledger", "protocol", "config"), *ACCOUNTING},
    "client_app": {
        "client_app",
        "data",
        *rooms("adapters", "alignment", "privacy", "protocol", "config", "encryption"),
        *OF_A_NODE,
    },
    "strategies": {"strategies", *rooms("ledger", "protocol", "config", "encryption"), *ACCOUNTING},
    "crossward.report": {*rooms("report", "ledger"), "strategies", "server_app", *OF_A_SERVER},
    "server_app": {*rooms("report", "ledger"), "strategies", "server_app", *OF_A_SERVER},
    "crossward.simulation": {
        *rooms("simulation", "adapters", "alignment", "privacy", "ledger"),
        "client_app",
        "data",
        "strategies",
        "server_app",
        *OF_A_NODE,
        *OF_A_SERVER,
    },
}
# what makes, holds or uses a secret: alignment, and the holders' side of encryption
HOLDERS = {
    "crossward.alignment",
    *(
        f"crossward.encryption.{name}"
        for name in (
            "holder",
            "forward",
            "parallel",
            "secret",
            "bfv_key",
            "key_file",
            "key_format",
            "snapshot",
            "identity",
            *(f"committee.{n}" for n in ("boxes", "masks", "tags", "stretch", "member", "hospital", "records")),
        )
    ),
}
# what makes noise: who could draw it anew, or ahead, is not to be near a sum
SAMPLERS = {"crossward.privacy.discrete"}
# room -> what its modules must not reach through any chain
MAY_NOT_REACH = {
    "strategies": {
        *HOLDERS,
        *SAMPLERS,
        "client_app",
        "data",
        "crossward.adapters",
        "crossward.evaluation",
        "research",
        "torch",
    },
    "server_app": {
        *HOLDERS,
        *SAMPLERS,
        "client_app",
        "data",
        "crossward.adapters",
        "crossward.evaluation",
        "research",
        "torch",
    },
    "client_app": {"crossward.encryption.aggregator", "strategies", "server_app", "crossward.evaluation", "research"},
    "crossward.protocol": {"torch"},
    "crossward.ledger": {*HOLDERS, *SAMPLERS, "client_app", "strategies", "torch"},
    "crossward.encryption": {"torch"},
}


def modules(root: Path, rooms: frozenset[str] = ROOMS) -> dict[str, Path]:
    """Dotted name -> file of every module of ours."""
    found = {}
    for room in rooms:
        for path in sorted(root.joinpath(*room.split(".")).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


Edges = dict[str, set[str]]  # module -> what it imports
Nodes = Callable[[ast.AST], Iterator[ast.AST]]


def at_import(tree: ast.AST) -> Iterator[ast.AST]:
    """What runs when a module is imported: not what is in functions, or for type checking."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            yield from at_import(ast.Module(node.orelse, []))
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield node
            yield from at_import(node)


def imports(name: str, path: Path, known: dict[str, Path], nodes: Nodes = ast.walk) -> Iterator[str]:
    """Every module that ``path`` imports anywhere: at the top, in functions, for type checking, or by name."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in nodes(ast.parse(path.read_text(encoding="utf-8"))):
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
            by_name = called in ("import_module", "__import__", "run_module", "require", "resolve_name")
            if by_name and isinstance(node.args[0].value, str):
                yield node.args[0].value.partition(":")[0]
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.JoinedStr):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if called in ("import_module", "resolve_name"):  # "a.package.{name}": any module of the package
                yield from by_prefix(node.args[0], known)


def by_prefix(name: ast.JoinedStr, known: dict[str, Path]) -> list[str]:
    """Every module that an f-string may name, which must begin with a package of ours."""
    first = name.values[0]
    package = first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else ""
    assert package.endswith("."), f"{ast.unparse(name)} may name any module: begin it with its package"
    return [module for module in known if module.startswith(package)]


def graph(root: Path, rooms: frozenset[str] = ROOMS) -> Edges:
    """Module -> modules that importing it imports, packages on the way included."""
    known = modules(root, rooms)
    out: Edges = {}
    for name, path in known.items():
        wanted: set[str] = set()
        for target in imports(name, path, known):
            parts = target.split(".")
            wanted |= {".".join(parts[: i + 1]) for i in range(len(parts))}
        out[name] = {target for target in wanted if target in known or not room_of(target, rooms)}
        if "." in name:
            out[name].add(name.rpartition(".")[0])
    return out


def within(name: str, package: str) -> bool:
    return name == package or name.startswith(package + ".")


def room_of(name: str, rooms: frozenset[str] = ROOMS) -> str:
    """The room that a module is in; "" for a module of somebody else's."""
    return next((room for room in rooms if within(name, room)), "")


def reached(start: str, edges: Edges) -> dict[str, list[str]]:
    """Module -> a shortest chain of imports that leads to it from ``start``."""
    chains, queue = {start: [start]}, [start]
    for name in queue:
        for target in sorted(edges.get(name, ())):
            if target not in chains:
                chains[target] = [*chains[name], target]
                queue.append(target)
    return chains


def breaches(edges: Edges, rooms: frozenset[str] = ROOMS) -> list[str]:
    """Every chain of imports that the table does not allow."""
    found = []
    for name in sorted(edges):
        room = room_of(name, rooms)
        for target, chain in reached(name, edges).items():
            ours = bool(room_of(target, rooms))
            allowed = MAY_IMPORT.get(room)
            forbidden = MAY_NOT_REACH.get(room, set())
            named = allowed is not None and any(within(target, p) or within(p, target) for p in allowed)
            outside = ours and allowed is not None and not named
            if outside or any(within(target, package) for package in forbidden):
                found.append(" -> ".join(chain))
    return found


def circle(root: Path, rooms: frozenset[str]) -> list[str]:
    """Modules of which each imports the next, the last and the first the same one; empty where there are none.

    A package is imported before its modules, but the packages that a module is in have begun already.
    """
    known = modules(root, rooms)
    edges = {name: set[str]() for name in known}
    for name, path in known.items():
        for target in imports(name, path, known, at_import):
            parts = target.split(".")
            packages = {".".join(parts[:i]) for i in range(1, len(parts))}
            before = {target, *(package for package in packages if not within(name, package))}
            edges[name] |= before & known.keys() - {name}
    try:
        TopologicalSorter(edges).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


@pytest.fixture(scope="module")
def edges() -> Edges:
    return graph(ROOT)


def test_no_modules_import_each_other_in_a_circle() -> None:
    rooms = ROOMS | {"crossward", "benchmarks", "scripts"}
    assert len(modules(ROOT, rooms)) > 400
    assert circle(ROOT, rooms) == []


def test_every_import_is_one_that_the_design_allows(edges: Edges) -> None:
    assert breaches(edges) == []


def test_every_room_of_the_table_was_looked_at() -> None:
    names = modules(ROOT)
    for room in (
        "data",
        "client_app",
        "strategies",
        "server_app",
        *(f"crossward.{n}" for n in ("machine", "config", "adapters", "encryption", "protocol", "ledger", "report")),
        "crossward.simulation",
    ):
        assert sum(within(name, room) for name in names) > 2, room
    assert {
        "crossward.encryption.holder",
        "crossward.encryption.aggregator",
        "server_app.app",
        "client_app.node",
    } <= set(names)


def test_the_aggregator_reaches_its_own_face_and_the_node_the_holders(edges: Edges) -> None:
    assert "crossward.encryption.aggregator" in reached("server_app.app", edges)
    assert "crossward.encryption.holder" in reached("client_app.node", edges)
    assert "crossward.encryption.holder" not in reached("server_app.app", edges)


def test_what_an_aggregators_operator_starts_reaches_no_key_and_no_model(edges: Edges) -> None:
    for name in (
        "crossward.deploy.aggregator",
        "crossward.deploy.keeper",
        "crossward.deploy.certificates",
        "crossward.deploy.node_keys",
    ):
        found = reached(name, edges)
        assert not [target for target in found if any(within(target, holder) for holder in HOLDERS)], name
        assert "torch" not in found, name


FACELESS = ("bfv", "ckks", "dither", "keystream", "packing", "plan", "settings")
COMMITTEE = "crossward.encryption.committee"
OF_THE_COMMITTEE = {
    COMMITTEE,
    *(
        f"{COMMITTEE}.{name}"
        for name in ("fields", "roster", "roster_file", "signatures", "spelling", "statements", "opening")
    ),
}


def test_what_the_server_reaches_of_encryption_is_either_face_less_or_the_aggregators(edges: Edges) -> None:
    found = {name for name in reached("server_app.app", edges) if within(name, "crossward.encryption")}
    faces = {name for name in modules(ROOT) if within(name, "crossward.encryption.aggregator")}
    faceless = {"crossward.encryption", *(f"crossward.encryption.{n}" for n in FACELESS)}
    assert len(faces) > 2 and found - OF_THE_COMMITTEE == faceless | faces


def test_of_the_committee_scheme_the_aggregators_side_reaches_no_holders_file(edges: Edges) -> None:
    sides = {name for name in edges if within(name, COMMITTEE)} - HOLDERS
    assert sides == OF_THE_COMMITTEE
    for name in sides:
        assert not HOLDERS & set(reached(name, edges)), name
    assert {f"{COMMITTEE}.masks", f"{COMMITTEE}.tags"} <= set(reached(f"{COMMITTEE}.member", edges)) & HOLDERS


def test_no_module_that_the_server_reaches_names_a_key_or_a_decryptor(edges: Edges) -> None:
    """Whoever can import SEAL could make a key: what the server's modules do with it is read off their names."""
    known = modules(ROOT)
    banned = {"Decryptor", "KeyGenerator", "SecretKey", "Encryptor", "decrypt", "secret_key", "encrypt_symmetric"}
    used = {}
    for name in set(reached("server_app.app", edges)) & set(known):
        tree = ast.parse(known[name].read_text(encoding="utf-8"))
        words = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
        words |= {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
        words |= {a.name for n in ast.walk(tree) if isinstance(n, ast.Import | ast.ImportFrom) for a in n.names}
        used[name] = words & banned
    assert len(used) > 40 and not any(used.values()), used
    holder = ast.walk(ast.parse(known["crossward.encryption.holder.bfv"].read_text(encoding="utf-8")))
    assert {n.attr for n in holder if isinstance(n, ast.Attribute)} & banned  # and the words are the right ones


def test_simulation_touches_no_key_by_itself() -> None:
    known = modules(ROOT)
    direct = {t for n, p in known.items() if within(n, "crossward.simulation") for t in imports(n, p, known)}
    assert "crossward.encryption.plan" in direct
    assert not [target for target in direct if any(within(target, holder) for holder in HOLDERS)]


# ---------------------------------------------------------------------- the check, on a made-up tree

CLEAN = {
    "crossward/encryption/__init__.py": "",
    "crossward/encryption/holder.py": "import numpy",
    "crossward/encryption/aggregator.py": "",
    "crossward/encryption/packing.py": "",
    "crossward/protocol/__init__.py": "",
    "crossward/protocol/wire.py": "import json",
    "strategies/__init__.py": "",
    "strategies/aggregation/combine.py": "from crossward.encryption.aggregator import A\nfrom crossward.protocol "
    "import wire",
    "server_app/__init__.py": "",
    "server_app/app.py": "from strategies.aggregation.combine import combine",
    "client_app/__init__.py": "",
    "client_app/node.py": "from crossward.encryption import holder",
    "data/__init__.py": "",
    "data/notes.py": "from . import readers",
    "data/readers.py": "",
    "crossward/__init__.py": "",
    "crossward/internals/__init__.py": "",
    "crossward/internals/bitsandbytes.py": "TORCH.require('torch:compile')",
    "crossward/adapters/__init__.py": "import torch",
    "crossward/alignment/__init__.py": "from crossward.alignment.psi import Party",
    "crossward/alignment/psi.py": "",
    "crossward/privacy/__init__.py": "",
    "crossward/privacy/hospital.py": "import numpy",
    "crossward/privacy/discrete.py": "import numpy",
}


def tree(root: Path, changes: dict[str, str] | None = None) -> Path:
    for name, text in (CLEAN | (changes or {})).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def test_a_clean_tree_passes(tmp_path: Path) -> None:
    assert breaches(graph(tree(tmp_path))) == []


PRIVATE_TORCH = "crossward.protocol.wire -> crossward.privacy.hospital -> torch"


@pytest.mark.parametrize(
    ("changes", "chain"),
    [
        ({"server_app/app.py": "import crossward.encryption.holder"}, "server_app.app -> crossward.encryption.holder"),
        (
            {"server_app/app.py": "from crossward.encryption import holder"},
            "server_app.app -> crossward.encryption.holder",
        ),
        (
            {"server_app/app.py": "from crossward.encryption.holder import open_clear"},
            "server_app.app -> crossward.encryption.holder",
        ),
        (
            {"server_app/app.py": "def f():\n    import crossward.encryption.holder as h"},
            "server_app.app -> crossward.encryption.holder",
        ),
        (
            {"strategies/aggregation/combine.py": "if TYPE_CHECKING:\n    import client_app"},
            "strategies.aggregation.combine -> client_app",
        ),
        (
            {"server_app/app.py": "import importlib\nimportlib.import_module('crossward.encryption.holder')"},
            "server_app.app -> crossward.encryption.holder",
        ),
        (
            {"crossward/encryption/aggregator.py": "from .holder import x"},
            "strategies.aggregation.combine -> crossward.encryption.aggregator -> crossward.encryption.holder",
        ),
        (
            {"crossward/encryption/__init__.py": "from crossward.encryption import holder"},
            "strategies.aggregation.combine -> crossward.encryption -> crossward.encryption.holder",
        ),
        ({"server_app/app.py": "from crossward import alignment"}, "server_app.app -> crossward.alignment"),
        (
            {"strategies/aggregation/combine.py": "from crossward.alignment.psi import Party"},
            "strategies.aggregation.combine -> crossward.alignment.psi",
        ),
        (
            {"crossward/alignment/psi.py": "from crossward.encryption import holder"},
            "crossward.alignment.psi -> crossward.encryption.holder",
        ),
        ({"crossward/protocol/wire.py": "import data.notes"}, "crossward.protocol.wire -> data"),
        (
            {"crossward/protocol/wire.py": "import crossward.encryption.packing"},
            "crossward.protocol.wire -> crossward.encryption.packing",
        ),
        ({"data/notes.py": "from crossward.protocol.wire import x"}, "data.notes -> crossward.protocol"),
        (
            {"crossward/adapters/__init__.py": "import crossward.encryption"},
            "crossward.adapters -> crossward.encryption",
        ),
        (
            {"crossward/encryption/holder.py": "import crossward.protocol"},
            "crossward.encryption.holder -> crossward.protocol",
        ),
        ({"client_app/node.py": "from strategies import combine"}, "client_app.node -> strategies"),
        (
            {"client_app/node.py": "from crossward.encryption import aggregator"},
            "client_app.node -> crossward.encryption.aggregator",
        ),
        (
            {"server_app/app.py": "resolve_name(f'crossward.encryption.{face}')"},
            "server_app.app -> crossward.encryption.holder",
        ),
        ({"server_app/app.py": "import torch.nn"}, "server_app.app -> torch"),
        (
            {"strategies/aggregation/combine.py": "import crossward.adapters"},
            "strategies.aggregation.combine -> crossward.adapters",
        ),
        (
            {"strategies/aggregation/combine.py": "import crossward.privacy.discrete"},
            "strategies.aggregation.combine -> crossward.privacy.discrete",
        ),
        (
            {
                "server_app/app.py": "from crossward.privacy import hospital",
                "crossward/privacy/hospital.py": "import crossward.privacy.discrete",
            },
            "server_app.app -> crossward.privacy.hospital -> crossward.privacy.discrete",
        ),
        ({"crossward/internals/bitsandbytes.py": "import data"}, "crossward.internals.bitsandbytes -> data"),
        (
            {"strategies/aggregation/combine.py": "from crossward.internals import bitsandbytes"},
            "strategies.aggregation.combine -> crossward.internals.bitsandbytes -> torch",
        ),
        (
            {"crossward/protocol/wire.py": "from crossward.privacy import discrete"},
            "crossward.protocol.wire -> crossward.privacy.discrete",
        ),
        (
            {
                "crossward/privacy/hospital.py": "import torch",
                "crossward/protocol/wire.py": "import crossward.privacy.hospital",
            },
            PRIVATE_TORCH,
        ),
    ],
)
def test_a_forbidden_import_is_found(tmp_path: Path, changes: dict[str, str], chain: str) -> None:
    assert chain in breaches(graph(tree(tmp_path, changes)))


def test_a_chain_through_an_outsider_is_found(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "crossward/launcher/lines.py": "import crossward.encryption.holder",
            "server_app/app.py": "from crossward.launcher import lines",
        },
    )
    assert any(
        "crossward.encryption.holder" in chain for chain in breaches(graph(root)) if chain.startswith("server_app.app")
    )


@pytest.mark.parametrize(
    ("changes", "members"),
    [
        ({"data/readers.py": "from data.notes import x"}, {"data.notes", "data.readers"}),
        ({"data/readers.py": "try:\n    import data.notes\nfinally:\n    pass"}, {"data.notes", "data.readers"}),
        ({"data/__init__.py": "from data import notes"}, {"data", "data.notes"}),  # which takes readers from it
        (  # through a package that runs first
            {
                "crossward/privacy/__init__.py": "import crossward.privacy.hospital",
                "crossward/privacy/hospital.py": "import crossward.protocol.wire",
                "crossward/protocol/wire.py": "import crossward.privacy.discrete",
            },
            {"crossward.privacy", "crossward.privacy.hospital", "crossward.protocol.wire"},
        ),
        ({"data/readers.py": "def f():\n    import data.notes"}, set()),
        ({"data/readers.py": "if TYPE_CHECKING:\n    import data.notes"}, set()),
    ],
)
def test_a_circle_is_found(tmp_path: Path, changes: dict[str, str], members: set[str]) -> None:
    assert set(circle(tree(tmp_path, changes), ROOMS | {"crossward"})) == members
