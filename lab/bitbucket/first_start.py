"""The first start after a restore, on one node of the cluster: the integrity check, in the background."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import subprocess
from typing import TYPE_CHECKING

from lab.bitbucket import integrity
from lab.bitbucket.gate import Latched

if TYPE_CHECKING:
    from lab.bitbucket.here import Here

_LOG = logging.getLogger("c.a.b.i.integrity.IntegrityCheckJob")
_LOOK_SECONDS = 0.1
_AGAIN_SECONDS = 1.0


async def check_integrity(here: Here) -> None:
    """Check once this node is ACTIVE, if the shared home asks for it and no other node has begun."""
    while here.state != "ACTIVE":  # noqa: ASYNC110 -- the state comes with heartbeats, there is no event
        await asyncio.sleep(_LOOK_SECONDS)
    if not integrity.is_asked_for(here.config.shared):
        return
    begun, _ = await here.link.call("integrity.begin", {})
    if begun.status != 200:
        return
    _LOG.info("Integrity check has started: disaster.recovery is true")
    try:
        found = await _carry_out(here)
    except (OSError, sqlite3.Error, subprocess.SubprocessError):
        _LOG.exception("Integrity check has failed")  # Bitbucket runs on; whoever restores reads the log
        return
    text = "Integrity check has finished: %d repositories, %d offline (%s), %d pushes and %d pull requests removed"
    where = ", ".join(found.offline) or "none"
    _LOG.info(text, found.repositories, len(found.offline), where, found.pushes_removed, found.pull_requests_removed)


async def _carry_out(here: Here) -> integrity.Findings:
    while True:
        try:
            return await asyncio.to_thread(integrity.check, here.store, here.gate)
        except Latched:
            _LOG.info("Integrity check waits for the end of a backup")
            await asyncio.sleep(_AGAIN_SECONDS)
