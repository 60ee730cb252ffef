"""Rules that no linter knows: sizes, secrets, addresses, and words that do not belong in the project."""

import ast
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LONGEST_MODULE, LONGEST_FUNCTION = 400, 50


def tracked(*patterns):
    names = subprocess.run(
        ["git", "ls-files", "--", *patterns], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    return [ROOT / name for name in names if (ROOT / name).exists()]


CODE = [path for path in tracked("*.py") if path.relative_to(ROOT).parts[0] != "tests"]


def functions(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.name, (node.end_lineno or node.lineno) - node.lineno + 1


def test_modules_and_functions_stay_readable():
    long = [str(p.relative_to(ROOT)) for p in CODE if p.read_text().count("\n") > LONGEST_MODULE]
    long += [f"{p.relative_to(ROOT)}:{name}" for p in CODE for name, size in functions(p) if size > LONGEST_FUNCTION]
    assert not long, "these want to be two things"


def test_nothing_listens_on_all_addresses():
    everywhere = re.compile(r"[\"']0\.0\.0\.0[\"']")
    hits = [str(p) for p in CODE if p.parts[-2] != "components" and everywhere.search(p.read_text())]
    assert [h for h in hits if "/lab/" in h or "/automation/" in h] == []


def test_the_project_names_no_registry_and_no_machine():
    words = ["pypi" + ".org", "pythonhosted" + ".org", "registry.npm" + "js", "/work" + "/main", "/" + "root/"]
    text = [p for p in tracked() if p.suffix not in {".png", ".gz"} and p.name != "test_house_rules.py"]
    hits = [f"{p.relative_to(ROOT)}: {word}" for p in text for word in words if word in p.read_text(errors="replace")]
    assert not hits


def test_locks_carry_hashes_and_no_addresses():
    for lock in tracked("requirements/*.txt"):
        text = lock.read_text()
        assert "--hash=sha256:" in text
        assert "://" not in text


@pytest.mark.parametrize("room", ["core", "engine"])
def test_core_and_engine_use_no_mocks(room):
    for path in tracked(f"tests/{room}/*.py", "tests/simulation/*.py"):
        assert "unittest.mock" not in path.read_text()
