"""A staging copy: what its stack's config takes from the source's, what it changes, and when it may be built. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from automation.core.backups.manifest import moment
from automation.core.backups.sets import BackupSet, Finding, MemberKind, SetState
from automation.core.restores.generations import ORIGINAL, Generation
from automation.core.restores.networks import DEFAULT, apart, beside

STAGED = "staged"
"""Name of the copy's only data."""
_STACK = re.compile(r"[a-z][a-z0-9-]{0,25}[a-z0-9]")
_HTTP, _HTTPS = 80, 443
_LEFT_OUT = frozenset(
    {
        "name",
        "baseUrl",
        "sshBaseUrl",
        "certificateArn",
        "certificateId",
        "certificateIdentity",
        "resourceGroup",
        "data",
        "searchUrl",
        "searchUser",
        "searchRegion",
        "searchPassword",
    }
)
"""Keys that name the source's own place. With its search index the copy would write into the source's."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A value of a stack's config."""

    value: object = field(repr=False)
    """As JSON has it; the text of a secret."""
    secret: bool = False


Config = Mapping[str, Setting]
"""Settings by key, with the project's name before it: ``bitbucket-dc:version``."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The stack that a copy is made from."""

    project: str
    """Name of the Pulumi project, the namespace of its keys."""
    config: Config
    database_password: str = field(default="", repr=False)
    """A server that is restored to a moment has its source's; empty where nobody can tell it."""

    @property
    def network(self) -> str:
        """CIDR of its network."""
        found = self.config.get(f"{self.project}:vpcCidr")
        return str(found.value) if found is not None and found.value else DEFAULT


@dataclass(frozen=True, slots=True)
class Wish:
    """How the copy shall differ; what is empty is as in the source."""

    stack: str
    nodes: int | None = None
    instance_type: str = ""
    database_class: str = ""
    network: str = ""
    """CIDR of its VPC or virtual network; empty chooses one beside the source's."""
    url: str = ""
    """Where its Bitbucket is reached from here, such as a tunnel; empty takes the stack's own URL."""


def staged_config(
    origin: Origin, wish: Wish, found: BackupSet, data: Generation, there: Config | None = None
) -> dict[str, Setting]:
    """Return the config of the copy.

    Args:
        origin: the source stack.
        wish: how the copy shall differ.
        found: the set, for its version.
        data: what the set becomes there, called ``STAGED``.
        there: config of the copy, when it is there already and goes on: it stays in its network.
    """
    project, source = origin.project, origin.config
    kept = {key: setting for key, setting in source.items() if _bare(key, project) not in _LEFT_OUT}
    kept = {key: setting for key, setting in kept.items() if setting.value != ""}
    ports = source.get(f"{project}:egressPorts")
    own: dict[str, object] = {
        "version": found.version,
        "internal": True,
        "insecureHttp": True,
        "protectData": False,
        "egressPorts": _ports(None if ports is None else ports.value),
        "data": {"active": STAGED, "generations": {STAGED: _made_from(data)}, "retired": [ORIGINAL]},
    }
    asked = {
        "nodes": wish.nodes,
        "instanceType": wish.instance_type,
        "databaseInstanceClass": wish.database_class,
        "vpcCidr": staged_network(origin, wish, there),
    }
    own |= {key: value for key, value in asked.items() if value}
    made = kept | {f"{project}:{key}": Setting(value) for key, value in own.items()}
    return {**made, **_password(origin, data)}


def staged_network(origin: Origin, wish: Wish, there: Config | None) -> str:
    """Return the copy's network: the one asked for, else the one it has, else one beside the source's."""
    known = (there or {}).get(f"{origin.project}:vpcCidr")
    return wish.network or (str(known.value) if known is not None else "") or beside(origin.network, wish.stack)


def _password(origin: Origin, data: Generation) -> Config:
    """Return the password that the copy's database has from its source, where the copy cannot give it another."""
    if data.database_snapshot or not origin.database_password:
        return {}
    return {f"{origin.project}:databasePassword": Setting(origin.database_password, secret=True)}


def _bare(key: str, project: str) -> str:
    return key.removeprefix(f"{project}:")


def _ports(known: object) -> list[int]:
    """Return what a node needs to start, and nothing that mail could leave through."""
    return [_HTTP, _HTTPS] if isinstance(known, list) and _HTTP in known else [_HTTPS]


def _made_from(data: Generation) -> dict[str, object]:
    home: dict[str, object] = {"homeSnapshots": list(data.home_snapshots)}
    if data.database_snapshot:
        return home | {"databaseSnapshot": data.database_snapshot}
    return home | {"databaseSource": data.database_source, "databaseTime": moment(data.database_time)}


def judge(found: BackupSet, wish: Wish, origin: Origin, there: Config | None, *, near: bool) -> tuple[Finding, ...]:
    """Hold every rule against the copy.

    Args:
        found: the set as it lies here.
        wish: the copy.
        origin: the source stack.
        there: config of the stack of that name; None where there is none.
        near: whether the set, or a copy of it, lies in this region and account.
    """
    return tuple(_rules(found, wish, origin, there, near=near))


def _rules(found: BackupSet, wish: Wish, origin: Origin, there: Config | None, *, near: bool) -> Iterator[Finding]:
    complete = found.state is SetState.COMPLETE
    yield Finding("set_complete", complete, "" if complete else f"set {found.id} is {found.state}")
    away = f"the set lies in {found.region}, account {found.account}: `bbdc backup copy` it here first"
    yield Finding("same_region", near, "" if near else away)
    homes = [m for m in found.of(MemberKind.DISK) if m.role == "shared-home"]
    whole = (len(homes), len(found.of(MemberKind.DATABASE))) == (1, 1)
    yield Finding("set_whole", whole, "" if whole else "it does not hold one home disk and one database")
    mesh = any(member.role == "mesh" for member in found.members)
    yield Finding("no_mesh", not mesh, "the program declares no Mesh nodes" if mesh else "")
    yield Finding("version_known", bool(found.version), "" if found.version else "the set does not say its version")
    fits = _STACK.fullmatch(wish.stack) is not None
    words = "lower-case letters, digits and hyphens, beginning with a letter, 27 at most"
    yield Finding("stack_name", fits, "" if fits else f"{wish.stack!r}: {words}")
    free = there is None or _is_ours(there, origin.project)
    yield Finding("stack_free", free, "" if free else f"there is a stack {wish.stack}, and it is no staging copy")
    network = staged_network(origin, wish, there)
    lies = apart(network, origin.network)
    words = f"{network} has addresses of the source's {origin.network}: give another one with --vpc-cidr"
    yield Finding("network_apart", lies, "" if lies else words)


def _is_ours(config: Config, project: str) -> bool:
    """Tell whether a stack is a staging copy, or was left empty by one that was cut short."""
    data = config.get(f"{project}:data")
    generations = data.value.get("generations") if data is not None and isinstance(data.value, dict) else None
    return not config or (isinstance(generations, dict) and set(generations) == {STAGED})
