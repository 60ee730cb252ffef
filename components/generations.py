"""Generations of an estate's data: the first one, and those that were made from backups; exactly one is in use.

A restore never writes into data that exists. It declares a further generation, made beside the others, and then
another one is active; going back is the same step the other way round.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from components.args import Data, DataGeneration
from components.checks import InvalidInput, matching
from components.clouds import Cloud

ORIGINAL = "original"
"""The generation that an estate begins with: blank, unless it is retired."""
HOME_VOLUMES = 1
"""Volumes of the shared home, and so snapshots of it in a generation."""

NAME = re.compile(r"(?=.{1,20}$)[a-z0-9]+(-[a-z0-9]+)*")


@dataclass(frozen=True, slots=True)
class Generation:
    """One generation: where its data comes from, and whether it may be deleted."""

    name: str
    protect: bool
    """Whether Pulumi and the cloud refuse to delete it."""
    home_snapshots: tuple[str, ...] = ()
    """Ids of snapshots, one for each volume of the shared home; empty for a blank home."""
    database_snapshot: str | None = None
    """Identifier of the snapshot that the database is made from; not on every cloud."""
    database_source: str | None = None
    """Identifier of the database server whose automated backups hold the wanted moment."""
    database_time: str | None = None
    """That moment: ISO 8601, UTC."""

    @property
    def suffix(self) -> str:
        """What names of its resources end with; the first generation's names are those of an estate without others."""
        return "" if self.name == ORIGINAL else f"-{self.name}"

    @property
    def restored(self) -> bool:
        """Whether it was made from a backup."""
        return bool(self.home_snapshots)

    def home_snapshot(self, volume: int) -> str | None:
        """Return the snapshot that a volume of the shared home is made from; None for a blank one."""
        return self.home_snapshots[volume] if self.home_snapshots else None


@dataclass(frozen=True, slots=True)
class DataSpec:
    """The generations that an estate has."""

    generations: tuple[Generation, ...]
    """All that are kept."""
    active: Generation
    """The one in use."""

    @classmethod
    def read(cls, data: Data, cloud: Cloud, *, protect: bool) -> "DataSpec":
        """Check the input `data`.

        Args:
            data: as an operator writes it.
            cloud: whose snapshots it names.
            protect: the estate's own protection of data.

        Raises:
            InvalidInput: a generation is wrong, or the active one is missing; the message names the place.
        """
        _known("data", data, Data)
        declared = data.get("generations", {})
        names = (ORIGINAL, *declared)
        retired = _listed("data.retired", data.get("retired", []), names)
        loose = _listed("data.unprotected", data.get("unprotected", []), names)
        kept = {name: _generation(name, declared, cloud, protect=protect and name not in loose) for name in names}
        kept = {name: generation for name, generation in kept.items() if name not in retired}
        active = data.get("active") or ORIGINAL
        if active not in kept:
            raise InvalidInput("data.active", f"must be one of {sorted(kept)}, not {active!r}")
        if active in loose:
            raise InvalidInput("data.unprotected", f"{active!r} is in use: its protection is not lifted")
        return cls(tuple(kept.values()), kept[active])


def _listed(path: str, values: object, names: tuple[str, ...]) -> frozenset[str]:
    if not isinstance(values, list | tuple):
        raise InvalidInput(path, f"must be a list of generations, not {values!r}")
    if unknown := sorted({str(value) for value in values} - set(names)):
        raise InvalidInput(path, f"there is no generation {unknown[0]!r}; there are {sorted(names)}")
    return frozenset(values)


def _generation(name: str, declared: Mapping[str, DataGeneration], cloud: Cloud, *, protect: bool) -> Generation:
    if name == ORIGINAL:
        if name in declared:
            raise InvalidInput("data.generations", f"{ORIGINAL!r} is the first generation; choose another name")
        return Generation(name, protect)
    matching("data.generations", NAME, "march-2 (lower case, up to 20 characters)")(name)
    path, asked = f"data.generations.{name}", declared[name]
    _known(path, asked, DataGeneration)
    snapshot, source, time = _database(path, asked, cloud)
    return Generation(name, protect, _home(path, asked, cloud), snapshot, source, time)


def _home(path: str, asked: DataGeneration, cloud: Cloud) -> tuple[str, ...]:
    found = asked.get("home_snapshots", [])
    if not isinstance(found, list | tuple) or len(found) != HOME_VOLUMES:
        raise InvalidInput(f"{path}.homeSnapshots", f"must list {HOME_VOLUMES} snapshot of the shared home's volume")
    check = matching(f"{path}.homeSnapshots", cloud.home_snapshot.pattern, cloud.home_snapshot.example)
    return tuple(check(str(snapshot)) for snapshot in found)


def _database(path: str, asked: DataGeneration, cloud: Cloud) -> tuple[str | None, str | None, str | None]:
    snapshot, source, time = (asked.get(key) for key in ("database_snapshot", "database_source", "database_time"))
    if (snapshot is None) == (source is None and time is None):
        raise InvalidInput(path, "needs databaseSnapshot, or databaseSource and databaseTime: one way, not both")
    if snapshot is not None:
        return _snapshot(f"{path}.databaseSnapshot", str(snapshot), cloud), None, None
    if source is None or time is None:
        raise InvalidInput(path, "needs both databaseSource and databaseTime: whose backups, and which moment")
    matching(f"{path}.databaseSource", cloud.database_source.pattern, cloud.database_source.example)(str(source))
    return None, str(source), _moment(f"{path}.databaseTime", str(time))


def _snapshot(path: str, value: str, cloud: Cloud) -> str:
    if cloud.database_snapshot is None:
        raise InvalidInput(path, f"on {cloud.name} a database is restored to a moment: databaseSource, databaseTime")
    return matching(path, cloud.database_snapshot.pattern, cloud.database_snapshot.example)(value)


def _moment(path: str, value: str) -> str:
    try:
        offset = datetime.fromisoformat(value).utcoffset()
    except ValueError:
        offset = None
    if offset != timedelta(0):
        raise InvalidInput(path, f"must be a time in UTC such as 2026-11-21T10:00:00.000Z, not {value!r}")
    return value


def _known(path: str, asked: object, shape: type) -> None:
    """Refuse a key that means nothing: a generation with a misspelt one would be made of something else."""
    if not isinstance(asked, Mapping):
        raise InvalidInput(path, f"must be an object, not {asked!r}")
    if unknown := sorted(set(asked) - set(shape.__annotations__)):
        raise InvalidInput(path, f"knows no {unknown[0]!r}")
