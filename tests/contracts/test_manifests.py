"""``ports.vaults.Manifests``: what every implementation must do."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from automation.core.backups.sets import BackupSet, Member, MemberKind, Mode, SetState
from automation.ports.errors import NotFound
from tests.contracts.safe_subjects import SafeSubject
from tests.contracts.test_vaults import SAFES


@pytest.fixture(scope="module", params=sorted(SAFES))
def safe(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[SafeSubject]:
    with SAFES[request.param](tmp_path_factory.mktemp("manifests")) as made:
        yield made


def a_set(safe: SafeSubject, number: int) -> BackupSet:
    member = Member(MemberKind.DISK, "vol-1", f"snap-{number}", "shared-home", at=1.25, facts={"device": "/dev/sdf"})
    created = 1_700_000_000.0 + number
    return BackupSet(
        f"set-{number}", safe.cluster, Mode.LOCKED, SetState.PENDING, created, name="näme", members=(member,)
    )


def test_what_was_written_is_read_and_listed_oldest_first(safe):
    for number in (2, 1):
        safe.manifests.write(a_set(safe, number))
    assert safe.manifests.read("set-2") == a_set(safe, 2)
    assert safe.manifests.all() == (a_set(safe, 1), a_set(safe, 2))


def test_the_last_writing_wins(safe):
    safe.manifests.write(a_set(safe, 1))
    done = replace(a_set(safe, 1), state=SetState.COMPLETE)
    safe.manifests.write(done)
    assert safe.manifests.read("set-1") == done


def test_removing_may_be_repeated(safe):
    safe.manifests.write(a_set(safe, 3))
    safe.manifests.remove("set-3")
    safe.manifests.remove("set-3")
    with pytest.raises(NotFound, match="set-3"):
        safe.manifests.read("set-3")
    assert "set-3" not in {each.id for each in safe.manifests.all()}


def test_place_and_account_are_known(safe):
    account, region = safe.manifests.account()
    assert re.fullmatch(r"\d{12}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", account)
    assert re.fullmatch(r"[a-z]+(-[a-z]+-\d)?", region)
    assert "://" in safe.manifests.place()
