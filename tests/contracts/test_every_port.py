"""Every port has a contract suite or a named reason for none, and every implementation is run through it or says why.

An implementation is a class with all of a port's methods, with the same parameters and results; inherited ones count.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "tests/contracts"
WITHOUT_A_SUITE: Mapping[str, str] = {}
"""Ports that have no suite, with the reason."""
LEFT_OUT: Mapping[str, str] = {
    "lab/sim/ports.py:SimMetrics": "seeded figures that nobody measured",
    "lab/sim/ports.py:SimBackups": "one figure, which the test itself sets",
    "lab/sim/restore_ports.py:SimRestoreGroup": "the part of a group that a restore needs, over a smaller world",
    "lab/sim/restore_ports.py:SimRestoreBalancer": "the part of a balancer that a restore needs, over a smaller world",
    "lab/sim/restore_ports.py:SimRestoreNodes": "nodes of that smaller world, which has no upgrade",
    "tests/cli/worlds.py:FakeShell": "canned answers of a drill's checks, and of nothing else",
    "lab/sim/backups.py:MortalJournal": "another journal, whose process dies at a write",
    "automation/adapters/aws/opensearch.py:AwsSearch": "only AWS keeps the search index in a set",
}
"""Implementations that no suite runs, with the reason."""
OUT_OF_ESTATES: Mapping[str, str] = {
    "lab/sim/ports.py": "lab.sim.flavours",
    "lab/sim/pools.py": "lab.sim.flavours",
    "lab/sim/vaults.py": "lab.sim.safe",
    "lab/sim/maintenance.py": "lab.sim.safe",
}
"""Modules whose classes the suites take out of a whole estate, by what gives that."""
Methods = dict[str, tuple[tuple[str, ...], str]]


def methods_of(found: ast.ClassDef) -> Methods:
    """Return a class's own methods: their parameters and their results, as they are written."""
    return {
        one.name: (_parameters(one), "" if one.returns is None else ast.unparse(one.returns))
        for one in found.body
        if isinstance(one, ast.FunctionDef) and not one.decorator_list
    }


def _parameters(function: ast.FunctionDef) -> tuple[str, ...]:
    given = function.args
    return tuple(one.arg for one in (*given.posonlyargs, *given.args, *given.kwonlyargs))


@cache
def classes(folder: str) -> dict[str, ast.ClassDef]:
    """Return every class below a folder of the repository, by ``path:name``."""
    paths = [ROOT / folder] if folder.endswith(".py") else sorted((ROOT / folder).rglob("*.py"))
    return {
        f"{path.relative_to(ROOT)}:{found.name}": found
        for path in paths
        for found in ast.walk(ast.parse(path.read_text()))
        if isinstance(found, ast.ClassDef)
    }


def is_protocol(found: ast.ClassDef) -> bool:
    return any(ast.unparse(base) == "Protocol" for base in found.bases)


PORTS = {
    f"{path.split('/')[-1].partition('.')[0]}.{found.name}": methods_of(found)
    for path, found in classes("automation/ports").items()
    if is_protocol(found)
}
WHERE = ("automation", "lab/sim", "tests/cli/worlds.py")
ALL = {path: found for folder in WHERE for path, found in classes(folder).items() if not is_protocol(found)}
NAMED = {path.rpartition(":")[2]: found for path, found in ALL.items()}


@cache
def inherited(found: ast.ClassDef) -> Methods:
    """Return all methods of a class, those of its bases below its own."""
    bases = (NAMED.get(ast.unparse(base).partition("[")[0].rpartition(".")[2]) for base in found.bases)
    above = [inherited(base) for base in bases if base is not None]
    return {name: how for one in (*above, methods_of(found)) for name, how in one.items()}


@cache
def implementations(port: str) -> tuple[str, ...]:
    """Return where the implementations of a port are."""
    return tuple(path for path, found in ALL.items() if not is_abstract(found) and implements(found, PORTS[port]))


def is_abstract(found: ast.ClassDef) -> bool:
    return any("ABC" in ast.unparse(base) for base in found.bases)


def implements(found: ast.ClassDef, port: Methods) -> bool:
    has = inherited(found)
    return all(has.get(name) == how for name, how in port.items())


def suite_of(port: str) -> str:
    """Return the text of the module whose docstring begins with the port's name; empty when there is none."""
    module, name = port.split(".")
    for path in sorted(HERE.glob("test_*.py")):
        said = (ast.get_docstring(ast.parse(path.read_text())) or "").partition(":")[0]
        if said in {f"``ports.{port}``", f"``ports.{module}``"} and name:
            return path.read_text()
    return ""


@cache
def used() -> str:
    """Return all text of this room: suites and their subjects."""
    return "\n".join(path.read_text() for path in HERE.glob("*.py") if path != Path(__file__))


@pytest.mark.parametrize("port", sorted(PORTS))
def test_a_port_has_a_suite_or_a_reason(port):
    assert bool(suite_of(port)) != (port in WITHOUT_A_SUITE), port


@pytest.mark.parametrize("port", sorted(set(PORTS) - set(WITHOUT_A_SUITE)))
def test_every_implementation_is_run_or_says_why_not(port):
    found = implementations(port)
    assert found, f"nothing implements {port} as it is written"
    names = {path: path.rpartition(":")[2] for path in found if path not in LEFT_OUT}
    estates = {path: OUT_OF_ESTATES.get(path.partition(":")[0], path) for path in names}
    assert [path for path, name in names.items() if name not in used() and estates[path] not in used()] == []


def test_every_reason_is_about_something_that_is_there():
    found = {path for port in PORTS for path in implementations(port)}
    assert set(LEFT_OUT) - found == set()
    assert set(WITHOUT_A_SUITE) <= set(PORTS)
    assert all(len(reason) > 10 for reason in (*LEFT_OUT.values(), *WITHOUT_A_SUITE.values()))
