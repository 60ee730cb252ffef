"""Every name that a roll can utter stands in the reference page, and the page invents none."""

import ast
import re
from pathlib import Path

from automation.core.decision import ActName
from automation.core.gates import END_GATES, NODE_GATES
from automation.core.preflight import CHECKS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/reference/gates.md").read_text()
DOCUMENTED = set(re.findall(r"`([a-z_]+)`", PAGE))


def literals(*calls):
    """Return the first literal argument of every call of these names in the deciding module."""
    tree = ast.parse((ROOT / "automation/core/upgrade.py").read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in calls:
            yield from (a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str))


def uttered():
    names = {str(act) for act in ActName} | {name for name, _ in CHECKS}
    names |= {gate.name for gate in (*NODE_GATES, *END_GATES)}
    return names | {n for n in literals("Wait", "Pause", "_condemn") if re.fullmatch(r"[a-z_]+", n)}


def test_every_name_is_documented():
    assert uttered() - DOCUMENTED == set()


def test_the_decisions_were_read():
    assert {"joined", "soak", "runs_alone", "upgrade_mode_lost"} <= uttered()
