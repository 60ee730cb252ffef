"""Machines with real processes; a small script stands in for Bitbucket."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab.aws.ports import MachineSpec
from lab.machine import OperatingSystem, Site
from lab.machines import ProcessMachines

NODE = """
import json, signal, sys, time
config = json.load(open(sys.argv[1]))
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("serving", config["version"], flush=True)
while True:
    time.sleep(0.05)
"""
STUBBORN = NODE.replace("lambda *_: sys.exit(0)", "signal.SIG_IGN")


class Watched:
    """Machines, and what they told."""

    def __init__(self, root: Path, node: str) -> None:
        script = root / "node.py"
        script.write_text(node)
        site = Site(
            directory=root / "instances",
            control="http://127.0.0.1:1",
            control_token=root / "token",
            fabric="http://127.0.0.1:1",
            fabric_token=root / "token",
            shared_home=root / "shared",
            database=root / "db",
            power_on=0.05,
            power_off=0.5,
            stop_timeout=0.5,
        )
        self.told: list[tuple[str, str]] = []
        system = OperatingSystem(site, lambda path: [sys.executable, str(script), str(path)])
        self.machines = ProcessMachines(system, self._hear)

    def _hear(self, event: str, details: dict[str, Any]) -> None:
        self.told.append((event, details["instance"]))

    def launch(self, identity: str = "i-1", *, version: str | None = "7.9.0", role: str = "node") -> None:
        header = f"BITBUCKET_VERSION='{version}'\n" if version else ""
        tags = {"bitbucket-dc:role": role}
        self.machines.launch(
            MachineSpec(identity, "127.9.0.4", "eu-west-1a", "m5.large", "ami-1", tags, f"#!/bin/bash\n{header}echo\n")
        )

    def log(self, identity: str = "i-1") -> str:
        path = self.machines.directory(identity) / "log" / "bitbucket.log"
        return path.read_text() if path.exists() else ""

    def unit(self, identity: str = "i-1") -> str:
        unit = self.machines.known[identity].unit
        return "" if unit is None else unit.state


@pytest.fixture
def watched(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Watched]:
    watched = Watched(tmp_path, getattr(request, "param", NODE))
    watched.machines.open()
    yield watched
    watched.machines.close()
    assert watched.machines.pids() == {}


def until(true: Callable[[], object], patience: float = 10.0) -> None:
    deadline = time.monotonic() + patience
    while not true():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.02)


def test_what_a_machine_installs_is_what_its_user_data_says(watched: Watched) -> None:
    watched.launch(version="7.9.4")
    until(lambda: "serving 7.9.4" in watched.log())
    document = json.loads((watched.machines.directory("i-1") / "node.json").read_text())
    assert (document["version"], document["address"], document["http_port"]) == ("7.9.4", "127.9.0.4", 7990)
    assert (watched.machines.directory("i-1") / "node.json").stat().st_mode & 0o777 == 0o600
    assert ("node-started", "i-1") in watched.told


@pytest.mark.parametrize("version", [None])
def test_user_data_without_a_version_installs_nothing(watched: Watched, version: str | None) -> None:
    watched.launch(version=version)
    until(lambda: ("install-failed", "i-1") in watched.told)
    assert "BITBUCKET_VERSION" in watched.machines.known["i-1"].trouble
    assert watched.machines.running("i-1")


def test_a_full_disk_installs_nothing(watched: Watched) -> None:
    watched.machines.system.disk_full = lambda _instance: True
    watched.launch()
    until(lambda: ("install-failed", "i-1") in watched.told)
    assert watched.machines.known["i-1"].trouble == "No space left on device"


def test_a_file_server_has_no_node(watched: Watched) -> None:
    watched.launch(role="file-server")
    until(lambda: ("power-on", "i-1") in watched.told)
    assert watched.machines.pids() == {}


def test_systemctl_stop_and_start(watched: Watched) -> None:
    watched.launch()
    until(lambda: "serving" in watched.log())
    assert watched.machines.control_unit("i-1", "stop") == "deactivating"
    until(lambda: watched.unit() == "inactive")
    assert ("node-stopped", "i-1") in watched.told
    assert watched.machines.running("i-1")
    watched.machines.control_unit("i-1", "start")
    until(lambda: watched.log().count("serving") == 2)


def test_a_crash_is_a_failure_of_the_unit_not_of_the_machine(watched: Watched) -> None:
    watched.launch()
    until(lambda: "serving" in watched.log())
    assert watched.machines.crash("i-1")
    until(lambda: ("node-crashed", "i-1") in watched.told)
    assert (watched.unit(), watched.machines.running("i-1")) == ("failed", True)


@pytest.mark.parametrize("watched", [STUBBORN], indirect=True)
def test_a_stop_that_is_ignored_becomes_a_kill(watched: Watched) -> None:
    watched.launch()
    until(lambda: "serving" in watched.log())
    watched.machines.control_unit("i-1", "stop")
    until(lambda: watched.unit() == "failed")


def test_a_held_stop_waits_for_the_time_out(watched: Watched) -> None:
    watched.launch()
    until(lambda: "serving" in watched.log())
    watched.machines.hold_stop("i-1", hold=True)
    watched.machines.control_unit("i-1", "stop")
    time.sleep(0.2)
    assert watched.unit() == "deactivating"
    until(lambda: watched.unit() == "failed")


def test_switching_off_stops_gracefully(watched: Watched) -> None:
    watched.launch()
    until(lambda: "serving" in watched.log())
    watched.machines.shut_down("i-1")
    until(lambda: not watched.machines.running("i-1"))
    assert ("node-stopped", "i-1") in watched.told
    watched.machines.start("i-1")
    until(lambda: watched.log().count("serving") == 2)


def test_a_power_cut_leaves_no_time(watched: Watched) -> None:
    watched.launch()
    until(lambda: "serving" in watched.log())
    watched.machines.cut_power("i-1")
    until(lambda: not watched.machines.running("i-1"))
    assert ("node-crashed", "i-1") in watched.told
