"""Where machines see file systems: symbolic links under each machine's root directory.

A product's script that says ``${BBDC_ROOT:-}/srv/bitbucket-dc`` finds there what a real machine has mounted at
``/srv/bitbucket-dc``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from lab.data.volumes import SHARED

FILE_SERVER, NODE, MESH, DRILL = "file-server", "node", "mesh", "drill"
DATA_DEVICES = ("/dev/sdf", "/dev/xvdf")
"""Where a file server's shared home is attached; another volume's first device counts when neither is there."""
EXPORTED, APPLICATION = Path("srv/bitbucket-dc"), Path("var/atlassian/application-data")


@dataclass(frozen=True, slots=True)
class Server:
    """A file server that answers: its root directory."""

    root: Path

    @property
    def shared_home(self) -> Path:
        """The directory that nodes mount; it need not be there."""
        return self.root / EXPORTED / SHARED


def data_volume(volumes: Mapping[str, Path]) -> str | None:
    """Return the device of the volume with the shared home; None when no volume is attached."""
    return next((device for device in (*DATA_DEVICES, *sorted(volumes)) if device in volumes), None)


def wanted(role: str, volumes: Mapping[str, Path], server: Server | None, logs: Path) -> dict[Path, Path]:
    """Return place under the root -> what is seen there.

    Args:
        role: the machine's role.
        volumes: device -> directory of what is attached.
        server: the node's file server; None while it has none.
        logs: the node's log directory.
    """
    if role == NODE:
        home = APPLICATION / "bitbucket"
        return {home / "log": logs} | ({} if server is None else {home / "shared": server.shared_home})
    found, main = dict(volumes), data_volume(volumes)
    first: dict[Path, Path] = {}
    if main is not None and role in {FILE_SERVER, MESH}:
        first[EXPORTED if role == FILE_SERVER else APPLICATION / "mesh"] = found.pop(main)
    rest = Path("srv/drill" if role == DRILL else "mnt")
    return first | {rest / device.removeprefix("/dev/"): path for device, path in found.items()}


def update(root: Path, before: Mapping[Path, Path], links: Mapping[Path, Path]) -> None:
    """Let a machine's root show these links instead of those before; directories made on the way stay."""
    for place in set(before) - set(links):
        (root / place).unlink(missing_ok=True)
    for place, target in links.items():
        link = root / place
        if before.get(place) != target:
            link.unlink(missing_ok=True)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(target, target_is_directory=True)
