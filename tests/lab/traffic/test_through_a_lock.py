"""Traffic on real nodes through a whole locked backup: nobody fails, and the copy holds what was acknowledged."""

from __future__ import annotations

import asyncio
import shutil
import time
from pathlib import Path

import httpx
import pytest

from lab.traffic.check import check
from lab.traffic.committers import read_pushes
from lab.traffic.run import Run
from lab.traffic.settings import Settings, Target
from tests.lab.bitbucket.rig import PASSWORD, TOKEN, Rig

pytestmark = pytest.mark.lab


async def back_up(url: str, repositories: Path, to: Path) -> tuple[float, float]:
    """Carry a backup out; return when the lock was asked for, and when everything was drained."""
    headers = {"Content-Type": "application/json"}
    async with httpx.AsyncClient(base_url=url, auth=("admin", PASSWORD), headers=headers) as admin:
        locked = time.time()
        token = (await admin.post("/mvc/maintenance/lock")).json()["unlockToken"]
        mine = {"X-Atlassian-Maintenance-Token": token}
        await admin.post("/mvc/admin/backups?external=true", headers=mine)
        states = {"LATCHED"}
        while states != {"DRAINED"}:
            seen = (await admin.get("/mvc/maintenance", headers=mine)).json()
            states = {seen["db-state"], seen["scm-state"]}
            await asyncio.sleep(0.05)
        drained = time.time()
        await asyncio.to_thread(shutil.copytree, repositories, to)
        await asyncio.sleep(0.5)  # for some to be turned away
        await admin.post(f"/mvc/admin/backups/progress/client?token={token}&percentage=100")
        await admin.delete(f"/mvc/maintenance/lock?token={token}")
        return locked, drained


async def after(seconds: float, url: str, repositories: Path, to: Path) -> tuple[float, float]:
    await asyncio.sleep(seconds)
    return await back_up(url, repositories, to)


def test_a_locked_backup_under_load(tmp_path: Path) -> None:
    rig = Rig(tmp_path / "rig")
    settings = Settings("run", str(tmp_path), rate=20, clones=1, pushes=12, seconds=4.5, sessions=2, seed=1)
    settings.write()
    try:
        url = rig.start(1)
        repositories, copy = rig.shared / "data" / "repositories", tmp_path / "copy"

        async def both() -> None:
            run = Run(settings, Target(url, "admin", PASSWORD, TOKEN)).go()
            report, (locked, drained) = await asyncio.gather(run, after(2.0, url, repositories, copy))
            assert (report.failed, report.missing) == (0, ())
            assert report.maintenance > 0
            assert all(locked <= window.since <= window.until for window in report.locked)
            assert report.pushes_acknowledged == report.pushes_verified
            pushes = read_pushes(settings.folder / "pushes.jsonl")
            found = check(pushes, copy, drained)
            assert found.good, found
            assert 0 < found.acknowledged_before < len(pushes)
            whole = check(pushes, repositories, time.time())
            assert whole.good, whole

        asyncio.run(both())
    finally:
        rig.close()
