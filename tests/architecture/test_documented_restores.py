"""Every name that a restore or a drill can utter stands in the reference page, and each is spoken of once."""

import ast
import re
from pathlib import Path

from automation.cli.restore_words import ACTS, ENDINGS, GATES
from automation.core.restores.memory import ActName, Ending
from automation.ports import errors

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/reference/restore-rules.md").read_text()
DOCUMENTED = set(re.findall(r"`([a-z_]+)`", PAGE))
SOURCES = ("core/restores", "engine/restores", "cli/commands/restore.py")


def literals(*calls):
    """Return the first literal argument of every call of these names."""
    for source in SOURCES:
        place = ROOT / "automation" / source
        for file in [place] if place.is_file() else place.glob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in calls:
                    yield from (a.value for a in node.args[:1] if isinstance(a, ast.Constant))


def test_every_rule_act_gate_and_reason_is_documented():
    uttered = {str(act) for act in ActName} | set(literals("Finding", "Refused", "Wait"))
    uttered |= {"still_running", "node_not_serving"}
    assert uttered - DOCUMENTED == set()
    assert {"same_region", "restore_under_way", "git_fsck", "all_stopped", "commandable"} <= uttered


def test_every_kind_of_trouble_is_documented():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.BbdcError)]
    names = {errors.name_of(kind("")) for kind in kinds if kind not in {errors.Refused, errors.BbdcError}}
    assert names - DOCUMENTED == set()


def test_every_act_gate_and_ending_has_words():
    assert set(ACTS) == set(ActName)
    assert set(GATES) == set(literals("Wait"))
    assert set(ENDINGS) == set(Ending)
