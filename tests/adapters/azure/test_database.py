"""The vault of the database over the lab's Azure, beyond the contract: a member is a moment in the server's log."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from automation.adapters.azure.containers import Blobs
from automation.adapters.azure.database import AzureDatabase
from automation.adapters.azure.session import Azure
from automation.core.backups import labels
from automation.core.backups.sets import BackupSet, Mode, SetState, SnapshotState
from automation.ports.errors import Conflict, NotFound, Unavailable, Unexpected
from lab.azure.ports import Reply
from lab.azure.world import GROUP
from tests.adapters.azure.safe_world import Scripted, nodes
from tests.contracts.safe_azure import ACCOUNT, CLUSTER, DATABASE, LAG, azure_estate, database, session, store
from tests.lab.azure.estate import WAIT, Estate

BACKUP = "PUT flexibleServers/backups"


@pytest.fixture(scope="module")
def faults() -> Scripted:
    return Scripted()


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory, faults: Scripted) -> Iterator[Estate]:
    """A database that has run for a while, and a store."""
    with azure_estate(tmp_path_factory.mktemp("database"), faults) as made:
        database(made)
        store(made)
        made.settle(120)
        yield made


@pytest.fixture
def azure(estate: Estate) -> Iterator[Azure]:
    with session(estate) as made:
        yield made


@pytest.fixture
def vault(azure: Azure, faults: Scripted, estate: Estate) -> Iterator[AzureDatabase]:
    made = AzureDatabase(azure.caller(), CLUSTER, lag=LAG)
    yield made
    faults.refusals.clear()
    faults.lost.clear()
    for one in made.snapshots():
        made.delete(one)
    assert backups(estate) == []


def backups(estate: Estate, server: str = DATABASE) -> list[str]:
    return [one.name for one in estate.clients.postgres.backups_automatic_and_on_demand.list_by_server(GROUP, server)]


_numbers = iter(range(1000))


@pytest.fixture
def of(estate: Estate) -> BackupSet:
    identity = f"20261121-110000-{next(_numbers):03}"
    return BackupSet(identity, CLUSTER, Mode.LOCKED, SetState.PENDING, estate.clock.now(), "7.9.0", expected=("a",))


def test_the_source_is_restored_by_time_only(vault: AzureDatabase, estate: Estate) -> None:
    (source,) = vault.sources()
    assert source.by_time
    assert source.id.endswith(f"/flexibleservers/{DATABASE}")
    assert source.recoverable_until == pytest.approx(estate.clock.now() - LAG, abs=1)
    assert (source.facts["host"], source.facts["tier"]) == (f"{DATABASE}.postgres.database.azure.com", "GeneralPurpose")
    assert source.encryption_key == "platform-managed"


def test_a_server_that_is_too_young_says_that_nothing_can_be_restored_yet(azure: Azure, estate: Estate) -> None:
    vault = AzureDatabase(azure.caller(), CLUSTER, lag=10_000.0)
    assert vault.sources()[0].recoverable_until is None


def test_the_moment_lies_after_the_question_and_is_fixed_once_it_has_passed(
    vault: AzureDatabase, of: BackupSet, estate: Estate
) -> None:
    asked = estate.clock.now()
    (begun,) = vault.begin(of, vault.sources())
    estate.settle(1)
    (fixed,) = vault.snapshots(of.id)
    assert fixed.at is not None
    assert asked < fixed.at <= asked + 1
    assert begun.at in {None, fixed.at}
    assert fixed.state is SnapshotState.PENDING
    assert fixed.id == begun.id == f"{begun.source}@{begun.id.partition('@')[2]}"


def test_under_the_lock_a_member_is_begun_once_its_moment_has_passed(
    vault: AzureDatabase, of: BackupSet, estate: Estate
) -> None:
    (locked,) = vault.begin(of, vault.sources())
    assert locked.at is not None
    assert locked.at <= estate.clock.now() < locked.at + 0.2
    (free,) = vault.begin(replace(of, id=f"{of.id}-free", mode=Mode.ZERO_DOWNTIME), vault.sources())
    assert free.at is None  # nobody is locked out: nothing is waited for


def test_azure_restores_to_the_moment_that_a_member_is(vault: AzureDatabase, of: BackupSet, estate: Estate) -> None:
    (one,) = vault.begin(of, vault.sources())
    estate.settle(int(LAG) + 2)
    (done,) = vault.snapshots(of.id)
    assert (done.state, done.percent) == (SnapshotState.COMPLETED, 100)
    source, _, moment = one.id.partition("@")
    body = {
        "location": "westeurope",
        "properties": {"createMode": "PointInTimeRestore", "sourceServerResourceId": source, "pointInTimeUTC": moment},
    }
    made = estate.clients.postgres.servers.begin_create_or_update(GROUP, "as-it-was", body, **WAIT).result()
    assert made.properties.state == "Ready"
    estate.clients.postgres.servers.begin_delete(GROUP, "as-it-was", **WAIT).result()


def test_an_on_demand_backup_is_asked_for_and_goes_with_the_set(
    vault: AzureDatabase, of: BackupSet, estate: Estate
) -> None:
    (begun,) = vault.begin(of, vault.sources())
    assert backups(estate) == [f"bbdc-{of.id}"]
    vault.delete(begun)
    assert backups(estate) == []


@pytest.mark.parametrize(
    "refusal",
    [
        Reply(400, "MaximumOnDemandBackupsReached", "A server may have 7 on-demand backups."),
        Reply(409, "ServerIsBusy", "Another operation is under way."),
    ],
)
def test_a_refused_backup_costs_no_set(
    vault: AzureDatabase, of: BackupSet, estate: Estate, faults: Scripted, refusal: Reply
) -> None:
    faults.refusals[BACKUP] = [refusal]
    vault.begin(of, vault.sources())
    assert backups(estate) == []
    container = estate.world.blobs.accounts[ACCOUNT].containers["backups"]
    assert refusal.message.encode() in container.blobs[f"points/{CLUSTER}/{of.id}.json"][-1].content
    estate.settle(int(LAG) + 2)
    (done,) = vault.snapshots(of.id)
    assert done.state is SnapshotState.COMPLETED


def test_a_burstable_server_is_asked_for_no_backup(
    vault: AzureDatabase, of: BackupSet, estate: Estate, faults: Scripted
) -> None:
    with estate.world.lock:
        estate.find("Microsoft.DBforPostgreSQL/flexibleServers", DATABASE).document["sku"]["tier"] = "Burstable"
    faults.seen.clear()
    vault.begin(of, vault.sources())
    assert BACKUP not in faults.seen
    with estate.world.lock:
        estate.find("Microsoft.DBforPostgreSQL/flexibleServers", DATABASE).document["sku"]["tier"] = "GeneralPurpose"


def test_a_backup_that_is_complete_after_the_moment_ends_the_waiting(
    vault: AzureDatabase, of: BackupSet, estate: Estate
) -> None:
    vault.begin(of, vault.sources())
    estate.settle(2)
    assert vault.snapshots(of.id)[0].state is SnapshotState.PENDING
    estate.clients.postgres.backups_automatic_and_on_demand.begin_create(GROUP, DATABASE, "by-hand", **WAIT).result()
    assert vault.snapshots(of.id)[0].state is SnapshotState.COMPLETED
    assert vault.sources()[0].recoverable_until == pytest.approx(estate.clock.now(), abs=1)
    estate.clients.postgres.backups_automatic_and_on_demand.begin_delete(GROUP, DATABASE, "by-hand", **WAIT).result()


def test_a_lost_answer_is_looked_for_and_the_moment_stays(
    vault: AzureDatabase, of: BackupSet, estate: Estate, faults: Scripted
) -> None:
    faults.lost.extend([BACKUP] * 5)
    try:
        vault.begin(of, vault.sources())
    except Unavailable:  # either is right, as long as the moment is found
        faults.lost.clear()
    estate.settle(3)
    (first,) = vault.snapshots(of.id)
    (again,) = vault.begin(of, vault.sources())
    assert (again.id, len(vault.snapshots(of.id))) == (first.id, 1)


def test_a_server_that_does_not_run_is_no_source(vault: AzureDatabase, of: BackupSet, estate: Estate) -> None:
    (source,) = vault.sources()
    estate.clients.postgres.servers.begin_stop(GROUP, DATABASE, **WAIT).result()
    assert vault.sources()[0].problem.startswith("database_state: it is Stopped")
    with pytest.raises(Conflict, match="Stopped"):
        vault.begin(of, (source,))
    assert vault.snapshots(of.id) == ()
    estate.clients.postgres.servers.begin_start(GROUP, DATABASE, **WAIT).result()


def test_a_server_that_is_gone_took_its_log_with_it(azure: Azure, of: BackupSet, estate: Estate) -> None:
    vault = AzureDatabase(azure.caller(), CLUSTER, lag=LAG)
    (source,) = vault.sources()
    database(estate, "second", tags={})
    second = source.id.replace(DATABASE, "second")
    (begun,) = vault.begin(of, (type(source)(source.kind, second, role="database"),))
    estate.clients.postgres.servers.begin_delete(GROUP, "second", **WAIT).result()
    (gone,) = vault.snapshots(of.id)
    assert (gone.id, gone.state, gone.at) == (begun.id, SnapshotState.FAILED, None)
    assert "is gone, and its log with it" in gone.problem
    vault.delete(gone)
    assert vault.snapshots(of.id) == ()


def test_of_several_generations_the_one_counts_that_the_nodes_use(azure: Azure, estate: Estate) -> None:
    vault = AzureDatabase(azure.caller(), CLUSTER, lag=LAG)
    database(estate, "other")
    nodes(estate, 1, script="#!/bin/bash\nDATABASE_HOST='other.postgres.database.azure.com'\n")
    assert vault.sources()[0].id.endswith("/other")
    nodes(estate, 1, script="#!/bin/bash\nDATABASE_HOST='elsewhere'\n")
    with pytest.raises(Unexpected, match="the nodes use elsewhere"):
        vault.sources()
    estate.clients.postgres.servers.begin_delete(GROUP, "other", **WAIT).result()
    assert vault.sources()[0].id.endswith(DATABASE)


def test_a_cluster_without_a_database(azure: Azure) -> None:
    with pytest.raises(NotFound, match="has no database"):
        AzureDatabase(azure.caller(), "another").sources()


def test_a_point_that_nobody_can_read_is_told(vault: AzureDatabase, azure: Azure) -> None:
    blobs, name = Blobs(azure.caller(), CLUSTER), f"points/{CLUSTER}/spoiled.json"
    for content in (b"[]", b'{"schema": 2, "at": "2026-11-21T10:00:00Z"}', b"nothing"):
        blobs.put(name, content)
        with pytest.raises(Unexpected, match="is no point of ours"):
            vault.snapshots("spoiled")
    blobs.remove(name)
    assert vault.snapshots("spoiled") == ()


def test_a_set_whose_manifest_is_lost_still_knows_its_moment(
    vault: AzureDatabase, of: BackupSet, estate: Estate
) -> None:
    (begun,) = vault.begin(of, vault.sources())
    estate.settle(int(LAG) + 2)
    vault.label(begun, SetState.COMPLETE)
    (rebuilt,) = labels.rebuild(vault.snapshots(of.id))
    assert rebuilt.state is SetState.COMPLETE
    assert rebuilt.recover_to == vault.snapshots(of.id)[0].at
    (quiet,) = labels.rebuild(replace(one, tags=one.tags | {labels.MODE: "zero-downtime"}) for one in vault.snapshots())
    assert quiet.recover_to is None  # there is no disk to say the moment


def test_labels_are_written_beside_the_moment(vault: AzureDatabase, of: BackupSet) -> None:
    (begun,) = vault.begin(of, vault.sources())
    vault.label(begun, SetState.COMPLETE)
    assert vault.snapshots(of.id)[0].tags[labels.STATE] == "complete"
