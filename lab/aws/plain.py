"""Machines without processes: for tests of everything that only looks at AWS."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from lab.aws.ports import Clock, MachineSpec

SYSTEMCTL = """#!/bin/sh
# systemctl of a machine without processes: keeps the unit's state in a file and a log of what was asked.
echo "$@" >> "$LAB_MACHINE/systemctl.log"
case "$1" in
  stop) echo inactive > "$LAB_MACHINE/bitbucket.state" ;;
  start|restart) echo active > "$LAB_MACHINE/bitbucket.state" ;;
  is-active)
    [ "$2" = --quiet ] || cat "$LAB_MACHINE/bitbucket.state"
    grep -q '^active$' "$LAB_MACHINE/bitbucket.state" || exit 3 ;;
  daemon-reload) ;;
  show) echo "ActiveState=$(cat "$LAB_MACHINE/bitbucket.state")" ;;
  *) echo "systemctl: unknown command $1" >&2; exit 1 ;;
esac
"""


@dataclass(slots=True)
class PlainMachines:
    """Machines that boot after ``boot`` seconds and then serve, unless a test says otherwise.

    Attributes:
        root: where each machine gets a directory of its own.
        clock: the world's clock.
        boot: seconds from power-on until Bitbucket serves.
        up: instance id -> when it was powered on; absent when it is off.
        specs: everything that was ever launched.
        silent: ids whose Bitbucket does not serve although the machine runs.
    """

    root: Path
    clock: Clock
    boot: float = 4.0
    up: dict[str, float] = field(default_factory=dict)
    specs: dict[str, MachineSpec] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)

    def launch(self, spec: MachineSpec) -> None:
        """Power on."""
        self.specs[spec.id] = spec
        shim = self.directory(spec.id) / "bin" / "systemctl"
        shim.parent.mkdir(parents=True)
        shim.write_text(SYSTEMCTL)
        shim.chmod(0o755)
        (self.directory(spec.id) / "root").mkdir()
        self.start(spec.id)

    def start(self, instance: str) -> None:
        """Power on again."""
        (self.directory(instance) / "bitbucket.state").write_text("active\n")
        self.up[instance] = self.clock.now()

    def shut_down(self, instance: str) -> None:
        """Power off at once."""
        self.up.pop(instance, None)

    def running(self, instance: str) -> bool:
        """Whether it is powered on."""
        return instance in self.up

    def directory(self, instance: str) -> Path:
        """Return the machine's directory."""
        return self.root / instance

    def serving(self, instance: str) -> bool:
        """Whether Bitbucket on it would answer /status with RUNNING."""
        if instance not in self.up or instance in self.silent:
            return False
        active = (self.directory(instance) / "bitbucket.state").read_text() == "active\n"
        return active and self.clock.now() - self.up[instance] >= self.boot

    def probe(self, group: str, instance: str) -> bool | None:  # noqa: ARG002 - asked for each target group
        """Answer a health check as a node does: nothing while it boots, then the truth."""
        if self.serving(instance):
            return True
        return None if self.clock.now() - self.up.get(instance, 0.0) < self.boot else False
