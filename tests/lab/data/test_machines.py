"""Machines with volumes and databases: what they see where, and nodes that find their data by their user data."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab.aws.ports import MachineSpec
from lab.data.storage import DirectoryStorage
from lab.machine import OperatingSystem, Site
from lab.machines import ProcessMachines

pytestmark = pytest.mark.lab
NODE = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
print("serving", flush=True)
while True:
    time.sleep(0.05)
"""
HOME = "var/atlassian/application-data"
HOST = "bb.aaaaaaaaaa.eu-west-1.rds.amazonaws.com"


class Rig:
    """Machines of one lab, and its storage."""

    def __init__(self, root: Path, patience: float = 10.0) -> None:
        (root / "node.py").write_text(NODE)
        self.root = root
        site = Site(
            directory=root / "instances", control="http://127.0.0.1:1", control_token=root / "token",
            fabric="http://127.0.0.1:1", fabric_token=root / "token", shared_home=root / "seed" / "shared",
            database=root / "seed" / "db" / "bitbucket.sqlite", power_on=0.05, power_off=0.5, stop_timeout=1.0,
            mount_patience=patience,
        )  # fmt: skip
        system = OperatingSystem(site, lambda path: [sys.executable, str(root / "node.py"), str(path)])
        self.machines = ProcessMachines(system)
        self.storage = DirectoryStorage(root, changed=self.machines.remount)
        self.machines.system.disks = self.storage

    def launch(self, identity: str, role: str, address: str = "127.9.0.4", lines: str = "") -> None:
        tags = {"bitbucket-dc:role": role}
        self.machines.launch(MachineSpec(identity, address, "eu-west-1a", "m5.large", "ami-1", tags, lines))

    def node(self, identity: str = "i-node", server: str = "127.9.0.9") -> None:
        lines = f"#!/bin/bash\nBITBUCKET_VERSION='7.9.0'\nSHARED_HOME_SERVER='{server}'\nDATABASE_HOST='{HOST}'\n"
        self.launch(identity, "node", lines=lines)

    def volume(self, name: str, instance: str, device: str = "/dev/sdf") -> Path:
        self.storage.create_volume(name, None)
        self.storage.attach(name, instance, device, home=False)
        return self.storage.volumes.path(name)

    def seen(self, identity: str, place: str) -> Path:
        return self.machines.directory(identity) / "root" / place

    def log(self, identity: str = "i-node") -> str:
        path = self.machines.directory(identity) / "log" / "bitbucket.log"
        return path.read_text() if path.exists() else ""

    def given(self, identity: str = "i-node") -> tuple[Path, Path]:
        document = json.loads((self.machines.directory(identity) / "node.json").read_text())
        return Path(document["shared"]), Path(document["database"])


@pytest.fixture
def rig(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Rig]:
    rig = Rig(tmp_path, getattr(request, "param", 10.0))
    rig.machines.open()
    yield rig
    rig.machines.close()


def until(true: Callable[[], object], patience: float = 10.0) -> None:
    deadline = time.monotonic() + patience
    while not true():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.02)


def test_a_node_waits_for_its_data_and_finds_them_by_its_user_data(rig: Rig) -> None:
    rig.node()
    rig.launch("i-server", "file-server", "127.9.0.9")
    until(lambda: rig.machines.known["i-server"].power == "up" and rig.machines.known["i-node"].power == "up")
    volume = rig.volume("vol-1", "i-server")
    assert "serving" not in rig.log()
    rig.storage.create_database("bb")
    until(lambda: "serving" in rig.log())
    assert rig.given() == (volume / "shared", rig.storage.database("bb"))
    (volume / "shared" / "file").write_text("one")
    assert (rig.seen("i-node", f"{HOME}/bitbucket/shared") / "file").read_text() == "one"
    assert (rig.seen("i-server", "srv/bitbucket-dc/shared") / "file").read_text() == "one"
    (rig.machines.directory("i-node") / "home" / "log" / "atlassian-bitbucket.log").write_text("a line")
    assert (rig.seen("i-node", f"{HOME}/bitbucket/log") / "atlassian-bitbucket.log").read_text() == "a line"


def test_another_volume_and_database_are_found_at_the_next_start(rig: Rig) -> None:
    rig.launch("i-server", "file-server", "127.9.0.9")
    until(lambda: rig.machines.known["i-server"].power == "up")
    rig.volume("vol-1", "i-server")
    rig.storage.create_database("bb")
    rig.node()
    until(lambda: "serving" in rig.log())
    rig.machines.control_unit("i-node", "stop")
    until(lambda: rig.machines.control_unit("i-node", "show") == "inactive")
    rig.storage.detach("vol-1", "i-server")
    assert not rig.seen("i-server", "srv/bitbucket-dc").exists()
    assert rig.machines.control_unit("i-node", "start") == "failed"
    assert "mount of the shared home from 127.9.0.9 failed" in rig.log()
    volume = rig.volume("vol-2", "i-server")
    rig.storage.rename_database("bb", "bb-old")
    assert rig.machines.control_unit("i-node", "start") == "failed"
    assert f"the database {HOST} does not answer" in rig.log()
    rig.storage.create_database("bb")
    assert rig.machines.control_unit("i-node", "start") == "active"
    until(lambda: rig.log().count("serving") == 2)
    assert rig.given() == (volume / "shared", rig.storage.database("bb"))


@pytest.mark.parametrize("rig", [0.0], indirect=True)
def test_a_node_without_a_volume_fails_with_a_clear_word(rig: Rig) -> None:
    rig.launch("i-server", "file-server", "127.9.0.9")
    rig.storage.create_database("bb")
    until(lambda: rig.machines.known["i-server"].power == "up")
    rig.node()
    until(lambda: "mount of the shared home from 127.9.0.9 failed: nothing is exported there" in rig.log())
    assert rig.machines.control_unit("i-node", "show") == "failed"


@pytest.mark.parametrize(
    ("role", "devices", "places"),
    [
        ("file-server", ("/dev/sdf", "/dev/sdb"), {"srv/bitbucket-dc": "/dev/sdf", "mnt/sdb": "/dev/sdb"}),
        ("mesh", ("/dev/sdf",), {f"{HOME}/mesh": "/dev/sdf"}),
        ("drill", ("/dev/sdf", "/dev/sdg"), {"srv/drill/sdf": "/dev/sdf", "srv/drill/sdg": "/dev/sdg"}),
        ("", ("/dev/sdf",), {"mnt/sdf": "/dev/sdf"}),
    ],
)
def test_what_a_machine_sees(rig: Rig, role: str, devices: tuple[str, ...], places: dict[str, str]) -> None:
    rig.launch("i-1", role)
    for device in devices:
        (rig.volume(f"vol-{device[-3:]}", "i-1", device) / "name").write_text(device)
    assert {place: (rig.seen("i-1", place) / "name").read_text() for place in places} == places
    for device in devices:
        rig.storage.detach(f"vol-{device[-3:]}", "i-1")
    assert [place for place in places if rig.seen("i-1", place).is_symlink()] == []


@pytest.mark.parametrize("program", ["systemctl", "psql", "aws"])
def test_programs_of_a_machine_run_by_themselves(rig: Rig, program: str) -> None:
    rig.launch("i-1", "drill")
    done = subprocess.run(
        [str(rig.machines.directory("i-1") / "bin" / program), "--nonsense"], env={"PATH": os.environ["PATH"]},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
