"""Every name that a backup can utter stands in its reference page."""

import ast
import re
from pathlib import Path

from automation.core.backups.labels import LOST
from automation.core.backups.memory import ActName, Ending
from automation.core.backups.retention import PRUNED

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTED = set(re.findall(r"`([a-z_-]+)`", (ROOT / "docs/reference/backup-rules.md").read_text()))
MODULES = [*ROOT.glob("automation/core/backups/*.py"), *ROOT.glob("automation/engine/backups/*.py")]


def called(node):
    return node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")


def literals(*calls):
    """Return every literal name that these calls are made with: reasons, findings, gates."""
    for module in MODULES:
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Call) and called(node) in calls:
                texts = (a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str))
                yield from (text for text in texts if re.fullmatch(r"[a-z]+(_[a-z]+)*", text))


def uttered():
    names = {str(name) for name in (*ActName, *Ending)} | {PRUNED, LOST, "begin_failed"}
    return names | set(literals("stop", "Finding", "Wait", "Outcome"))


def test_every_name_is_documented():
    assert uttered() - DOCUMENTED == set()


def test_the_modules_were_read():
    assert {"lock_budget", "skew", "drained", "still_locked", "unlocked", "node_joined"} <= uttered()
