"""Graceful stops through Run Command."""

from __future__ import annotations

import pytest

from automation.ports.errors import NotFound, Unavailable, Unexpected
from tests.adapters.azure.roll_world import Rolling

RUN = "POST virtualMachineScaleSets/virtualMachines/runCommand"


def test_a_lost_reply_is_one_stop(rolling: Rolling) -> None:
    instance = rolling.instances()["0"].id
    rolling.faults.lost.append(RUN)
    with pytest.raises(Unavailable):
        rolling.host.stop_bitbucket(instance, key="k")
    assert rolling.faults.seen.count(RUN) == 1
    while rolling.hands.world.commands.pids():
        rolling.hands.wait(1)
    rolling.hands.wait(1)
    rolling.host.stop_bitbucket(instance, key="k")
    assert rolling.hands.stops(instance) == 1


def test_a_script_that_fails_is_told_and_tried_again(rolling: Rolling) -> None:
    instance = rolling.instances()["0"].id
    shim = rolling.hands.estate.machines.directory(rolling.hands._found(instance).machine) / "bin" / "systemctl"
    works = shim.read_text()
    shim.write_text("#!/bin/sh\necho no such unit >&2; exit 5\n")
    with pytest.raises(Unexpected, match="no such unit"):
        rolling.host.stop_bitbucket(instance, key="k")
    shim.write_text(works)
    rolling.host.stop_bitbucket(instance, key="k")
    assert rolling.hands.stops(instance) == 1


def test_a_machine_that_was_renewed_is_another_one(rolling: Rolling) -> None:
    old = rolling.instances()["0"].id
    rolling.group.replace(old, "7.9.0")
    rolling.hands.wait(15)
    with pytest.raises(NotFound):
        rolling.host.stop_bitbucket(old, key="k")
