"""The commands, by name: what they are for, and where their code is. Imports nothing, so that help is instant."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Command:
    """One command of ``bbdc``."""

    name: str
    where: str
    """``module:function``; imported only when the command is used."""
    summary: str
    group: str


_HERE = "automation.cli.commands"
ROLL, WORDS, LOOK = "Roll a version", "Speak to a running roll", "Look"
BACKUP = "Back up"

COMMANDS: tuple[Command, ...] = (
    Command("preflight", f"{_HERE}.preflight:preflight", "Judge a roll to VERSION; changes nothing.", ROLL),
    Command("upgrade", f"{_HERE}.upgrade:upgrade", "Roll the cluster to VERSION, one node at a time.", ROLL),
    Command("rollback", f"{_HERE}.rollback:rollback", "Bring every node back to the version before the roll.", ROLL),
    Command("cancel", f"{_HERE}.rollback:cancel", "Close an upgrade in which no node has changed yet.", ROLL),
    Command("approve", f"{_HERE}.words:approve", "Let the roll pass its point of no return.", WORDS),
    Command("pause", f"{_HERE}.words:pause", "Stop before the next node.", WORDS),
    Command("resume", f"{_HERE}.words:resume", "Go on after a pause.", WORDS),
    Command("abort", f"{_HERE}.words:abort", "End the run once nothing is half done; the upgrade stays open.", WORDS),
    Command("backup", f"{_HERE}.backup:app", "Take, list, verify, copy, export and prune backup sets.", BACKUP),
    Command("recover", f"{_HERE}.recover:recover", "Free the lock of a backup that died, and end its set.", BACKUP),
    Command("restore", f"{_HERE}.restore:restore", "Restore a set beside the data in use, and swap; --undo.", BACKUP),
    Command("drill", f"{_HERE}.drill:drill", "Prove that a set can be restored: in isolation, measured.", BACKUP),
    Command("stage", f"{_HERE}.stage:stage", "Build a copy of the estate from a set, to rehearse on.", BACKUP),
    Command("status", f"{_HERE}.status:status", "Show the cluster, its nodes and the newest run.", LOOK),
    Command("runs", f"{_HERE}.runs:runs", "List all runs.", LOOK),
    Command("report", f"{_HERE}.report:report", "Tell the story of a run: text, JSON or one HTML page.", LOOK),
    Command("completion", f"{_HERE}.completion:completion", "Print a completion for bash, zsh or fish.", LOOK),
)


def overview(more: dict[str, str]) -> str:
    """Return the text of ``bbdc --help``.

    Args:
        more: summaries of further commands, by name, that other distributions bring.
    """
    groups: dict[str, list[tuple[str, str]]] = {}
    for command in COMMANDS:
        groups.setdefault(command.group, []).append((command.name, command.summary))
    if more:
        groups["More"] = sorted(more.items())
    blocks = [f"{name}:\n" + "\n".join(f"  {c:<11} {text}" for c, text in rows) for name, rows in groups.items()]
    return (
        "bbdc - rolling bug-fix upgrades and backups for Bitbucket Data Center, without anyone noticing\n\n"
        "Usage: bbdc COMMAND [ARGUMENTS]\n\n" + "\n\n".join(blocks) + "\n\n"
        "`bbdc COMMAND --help` explains a command; every command knows --json.\n"
        "`bbdc --version` tells the version; exit codes: docs/reference/exit-codes.md"
    )
