"""Drills in the lab's Azure: places that come and go, and whole drills on real data."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from automation.adapters.azure import drill_parts
from automation.adapters.azure.drill_bodies import asked
from automation.adapters.azure.drills import AzureDrills
from automation.adapters.azure.session import Azure
from automation.adapters.azure.shell import AzureShell
from automation.core.backups.sets import BackupSet
from automation.core.restores.drills import DrillSettings
from automation.engine.restores.drill import Ground, clean, drill
from automation.ports.errors import NotFound, Refused, Unavailable, Unexpected
from lab.azure.ports import Reply
from lab.azure.world import GROUP, SUBSCRIPTION
from lab.sim.vaults import SimManifests
from tests.adapters.azure.drilling import PASSWORD, Drilling
from tests.contracts.safe_azure import CLUSTER

SETTINGS = DrillSettings(sample=2, ready_timeout=300.0, check_timeout=60.0, close_timeout=300.0, poll=2.0)
_COUNT = itertools.count(1)


class Here(SimManifests):
    """Manifests of the lab's subscription and region."""

    def account(self) -> tuple[str, str]:
        return SUBSCRIPTION, "westeurope"


@pytest.fixture(scope="module")
def drilling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Drilling, Azure, BackupSet]]:
    """One estate for all tests here; each leaves it as it was."""
    made = Drilling(tmp_path_factory.mktemp("drilling"))
    with made.serving() as (azure, found):
        yield made, azure, found


@pytest.fixture
def lab(drilling: tuple[Drilling, Azure, BackupSet]) -> Iterator[Drilling]:
    made = drilling[0]
    before = made.everything()
    yield made
    made.faults.refusals.clear()
    made.faults.lost.clear()
    assert made.everything() == before


@pytest.fixture
def azure(drilling: tuple[Drilling, Azure, BackupSet]) -> Azure:
    return drilling[1]


@pytest.fixture
def found(drilling: tuple[Drilling, Azure, BackupSet]) -> BackupSet:
    return drilling[2]


@pytest.fixture
def name() -> str:
    """A drill's id; no two are the same."""
    return f"20261121-100000-000-{next(_COUNT):05}"


@pytest.fixture
def drills(lab: Drilling, azure: Azure) -> AzureDrills:
    return AzureDrills(azure.caller(), CLUSTER)


@pytest.fixture
def ground(lab: Drilling, azure: Azure, drills: AzureDrills, found: BackupSet) -> Ground:
    return Ground(lab, drills, AzureShell(azure.caller(), CLUSTER), Here.holding((found,)))


def run(ground: Ground, found: BackupSet, said: list[str] | None = None) -> BackupSet:
    return drill(ground, SETTINGS, found.id, by="ada", say=(said if said is not None else []).append)


def test_a_good_set_passes_and_nothing_is_left(ground: Ground, found: BackupSet) -> None:
    said: list[str] = []
    drilled = run(ground, found, said)
    assert drilled.drilled is not None
    assert {finding.name: (finding.passed, finding.detail) for finding in drilled.drilled.findings} == {
        "database_opens": (True, "1 projects, 0 users"),
        "row_counts": (True, "2 repositories; Bitbucket told 2 before and 2 after"),
        "directories": (True, "2 rows, 2 directories"),
        "references": (True, "2 read"),
        "git_fsck": (True, "2 repositories"),
    }
    assert drilled.was_drilled
    assert said[-1] == "everything of the drill is removed"
    assert not any(PASSWORD in line for line in said)
    assert ground.drills.leftovers() == ()


def test_what_is_waited_for_is_told_by_name(
    lab: Drilling, drills: AzureDrills, ground: Ground, found: BackupSet, name: str
) -> None:
    drills.open(name, found)
    detail = drills.look(name).detail
    assert "database Provisioning" in detail
    assert "machine not running" in detail
    for _ in range(20):
        lab.sleep(2)
        place = drills.look(name)
    assert place.devices == ("disk/azure/scsi1/lun0",)
    assert place.database_host.startswith("bbdc-drill-20261121")
    clean(ground, SETTINGS, name)


def test_nobody_gets_into_the_place(
    lab: Drilling, drills: AzureDrills, ground: Ground, found: BackupSet, name: str
) -> None:
    drills.open(name, found)
    network, own = lab.estate.clients.network, drill_parts.name_for(name)
    firewall = network.network_security_groups.get(GROUP, own)
    (rule,) = firewall.security_rules
    assert (rule.direction, rule.access, rule.source_address_prefix) == ("Inbound", "Deny", "*")
    card = network.network_interfaces.get(GROUP, own)
    assert card.network_security_group.id.lower() == firewall.id.lower()
    assert card.ip_configurations[0].public_ip_address is None
    lab.sleep(5)
    machine = lab.estate.clients.compute.virtual_machines.get(GROUP, own)
    assert machine.os_profile.linux_configuration.disable_password_authentication
    assert "bitbucket-dc:cluster" not in machine.tags
    clean(ground, SETTINGS, name)


def test_answers_that_are_always_lost_end_the_drill_and_leave_nothing(
    lab: Drilling, ground: Ground, found: BackupSet
) -> None:
    lab.faults.lost.extend(["PUT networkSecurityGroups"] * 10)
    with pytest.raises(Unavailable):
        run(ground, found)
    assert ground.drills.leftovers() == ()


def test_answers_that_are_lost_once_do_no_harm(lab: Drilling, ground: Ground, found: BackupSet) -> None:
    lost = ["PUT virtualMachines", "PUT disks", "PUT flexibleServers", "PUT networkInterfaces"]
    lab.faults.lost.extend([*lost, "DELETE virtualMachines", "DELETE flexibleServers", "DELETE disks"])
    assert run(ground, found).was_drilled
    assert lab.faults.lost == []


def test_a_database_that_cannot_be_restored_ends_the_drill(lab: Drilling, ground: Ground, found: BackupSet) -> None:
    lab.faults.refusals["PUT flexibleServers"] = [Reply(400, "PointInTimeRestoreTimeInvalid", "There is no such log.")]
    with pytest.raises(Unexpected, match="There is no such log"):
        run(ground, found)
    assert ground.drills.leftovers() == ()


def test_a_database_that_fails_ends_the_drill(
    lab: Drilling, ground: Ground, found: BackupSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = ground.drills.look

    def spoiled(name: str) -> Any:
        lab.sleep(20)
        with lab.world.lock:
            database = drill_parts.database_name(SUBSCRIPTION, CLUSTER, name)
            lab.estate.find("Microsoft.DBforPostgreSQL/flexibleServers", database).properties["state"] = "Disabled"
        return look(name)

    monkeypatch.setattr(ground.drills, "look", spoiled)
    with pytest.raises(Unexpected, match="the restored database is Disabled"):
        run(ground, found)
    assert ground.drills.leftovers() == ()


def test_a_restore_point_that_is_gone_ends_the_drill(ground: Ground, found: BackupSet) -> None:
    members = (replace(found.members[0], snapshot=f"{found.members[0].snapshot}-gone"), found.members[1])
    ground.manifests.write(replace(found, members=members))
    with pytest.raises(NotFound):
        run(ground, found)
    assert ground.drills.leftovers() == ()


def test_an_image_is_asked_for_by_its_names_and_not_by_azures_answer() -> None:
    names = {"publisher": "almalinux", "offer": "almalinux-x86_64", "sku": "9-gen2", "version": "latest"}
    assert asked(names | {"exactVersion": "9.6.2026"}) == names


def test_the_machines_size_can_be_chosen(
    lab: Drilling, ground: Ground, azure: Azure, found: BackupSet, name: str
) -> None:
    AzureDrills(azure.caller(), CLUSTER, instance_type="Standard_B2s").open(name, found)
    lab.sleep(5)
    machine = lab.estate.clients.compute.virtual_machines.get(GROUP, drill_parts.name_for(name))
    assert machine.hardware_profile.vm_size == "Standard_B2s"
    clean(ground, SETTINGS, name)


def test_a_moment_is_not_guessed(drills: AzureDrills, ground: Ground, found: BackupSet, name: str) -> None:
    timeless = replace(found, recover_to=None, members=(found.members[0], replace(found.members[1], at=None)))
    with pytest.raises(Refused) as refused:
        drills.open(name, timeless)
    assert refused.value.name == "set_whole"
    clean(ground, SETTINGS, name)
