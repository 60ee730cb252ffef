"""Restoring by hand on Azure: every value that a set knows stands in the commands."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace

from automation.adapters.azure import by_hand
from automation.core.backups.sets import BackupSet, LockTimes, Member, MemberKind, Mode, SetState

PLACE = "/subscriptions/5b5b/resourcegroups/estate/providers"
DISK = f"{PLACE}/microsoft.compute/disks/home-0"
POINT = f"{PLACE}/microsoft.compute/restorepointcollections/c/restorepoints/disks/diskrestorepoints/home-0"
SERVER = f"{PLACE}/microsoft.dbforpostgresql/flexibleservers/database"
KEY = f"{PLACE}/microsoft.compute/diskencryptionsets/keys"
FACTS = {"instance": f"{PLACE}/microsoft.compute/virtualmachines/files", "lun": "0", "type": "Premium_LRS"}
FOUND = BackupSet(
    id="20261121-100000-000",
    cluster="bitbucket",
    mode=Mode.LOCKED,
    state=SetState.COMPLETE,
    created=1_700_000_000.0,
    members=(
        Member(MemberKind.DISK, DISK, POINT, "shared-home", zone="1", encryption_key=KEY, facts=FACTS),
        Member(MemberKind.DATABASE, SERVER, f"{SERVER}@x", "database", at=1_700_000_000.0, facts={"subnet": "/net/db"}),
        Member(MemberKind.SEARCH, "search", "snap-1", "search"),
    ),
    lock=LockTimes(0.0, 1.0, 2.0, 3.0),
    recover_to=1_700_000_001.0,
)


def commands(found: BackupSet) -> list[list[str]]:
    return [shlex.split(step.command) for step in by_hand.steps(found) if step.command.startswith("az ")]


def option(words: list[str], name: str) -> str:
    return words[words.index(name) + 1]


def test_disks_and_database_are_made_beside_the_old_ones() -> None:
    create, detach, attach, restore = commands(FOUND)
    assert create[:3] == ["az", "disk", "create"]
    assert (option(create, "--source"), option(create, "--name"), option(create, "--zone")) == (
        POINT,
        "home-0-restored",
        "1",
    )
    assert (option(create, "--sku"), option(create, "--disk-encryption-set")) == ("Premium_LRS", KEY)
    assert (option(detach, "--name"), option(attach, "--lun"), option(attach, "--vm-name")) == ("home-0", "0", "files")
    assert restore[:4] == ["az", "postgres", "flexible-server", "restore"]
    assert (option(restore, "--source-server"), option(restore, "--restore-time"), option(restore, "--subnet")) == (
        SERVER,
        "2023-11-14T22:13:21.000Z",
        "/net/db",
    )
    assert {option(each, "--subscription") for each in commands(FOUND)} == {"5b5b"}
    assert {option(each, "--resource-group") for each in commands(FOUND)} == {"estate"}


def test_a_disk_whose_speed_is_bought_gets_the_speed_that_it_had() -> None:
    def made(kind: str) -> list[str]:
        facts = FACTS | {"type": kind, "iops": "6000", "throughput": "250"}
        return commands(replace(FOUND, members=(replace(FOUND.members[0], facts=facts),)))[0]

    fast = made("PremiumV2_LRS")
    assert (option(fast, "--disk-iops-read-write"), option(fast, "--disk-mbps-read-write")) == ("6000", "250")
    assert not {"--disk-iops-read-write", "--disk-mbps-read-write"} & set(made("Premium_LRS"))


def test_without_a_moment_of_the_set_the_members_own_counts() -> None:
    restore = commands(replace(FOUND, recover_to=None))[-1]
    assert option(restore, "--restore-time") == "2023-11-14T22:13:20.000Z"


def test_integrity_is_checked_after_a_set_without_a_lock_only() -> None:
    def checks(found: BackupSet) -> bool:
        return any("disaster.recovery" in step.what for step in by_hand.steps(found))

    assert not checks(FOUND)
    assert checks(replace(FOUND, lock=None, mode=Mode.ZERO_DOWNTIME))


def test_the_document_is_json_and_knows_azure_by_its_ids() -> None:
    found = json.loads(json.dumps(by_hand.document(FOUND)))
    assert found["ids"][POINT] == DISK
    assert found["by_hand"][0]["command"] == "systemctl stop bitbucket"
    assert by_hand.is_ours(FOUND)
    assert not by_hand.is_ours(replace(FOUND, members=(Member(MemberKind.DISK, "vol-1", "snap-1"),)))
