"""What the stack of scheduled backups is asked for: its configuration, read and checked in one place.

The keys, their types, descriptions and defaults are declared in stacks/snapshots/Pulumi.yaml; a test keeps the two
together.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi

from components.checks import InvalidInput, matching, whole_number
from components.clouds import Form

ZONE = re.compile(r"[A-Za-z]+(/[A-Za-z0-9_+-]+)*")
UTC = "Etc/UTC"
RETRIES = 3
CPU_STEP, MEBIBYTES_EACH = 256, 2
"""Container Apps' own: a quarter of a core, and the MiB of memory that go with each CPU unit."""
DAYS_OF_A_CENTURY = 36500
CHANGEABLE_AT_LEAST = 3
"""Days that AWS demands between setting a compliance lock and its becoming final."""


@dataclass(frozen=True, slots=True)
class Ways:
    """What values mean on one cloud."""

    nightly: str
    """The schedule when none is given."""
    expression: Form
    secret: Form
    max_age: int
    """The most hours that an alarm can look back."""


CLOUDS: Mapping[str, Ways] = {
    "aws": Ways(
        nightly="cron(0 1 * * ? *)",
        expression=Form(
            re.compile(r"cron\(\S+( \S+){5}\)|rate\([1-9]\d* (minute|hour|day)s?\)"),
            "cron(0 1 * * ? *) or rate(12 hours)",
        ),
        secret=Form(
            re.compile(r"arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:\S+"),
            "arn:aws:secretsmanager:eu-west-1:111122223333:secret:backup-AbCdEf",
        ),
        max_age=168,
    ),
    "azure": Ways(
        nightly="0 1 * * *",
        expression=Form(
            re.compile(r"[0-9A-Za-z*,/-]+( [0-9A-Za-z*,/-]+){4}"), "0 1 * * * (minute hour day month weekday)"
        ),
        secret=Form(
            re.compile(
                r"/subscriptions/[0-9a-f-]{36}/resourceGroups/[\w.()-]+"
                r"/providers/Microsoft\.KeyVault/vaults/[0-9A-Za-z-]+/secrets/[0-9A-Za-z-]+"
            ),
            "/subscriptions/.../resourceGroups/.../providers/Microsoft.KeyVault/vaults/VAULT/secrets/NAME",
        ),
        max_age=48,
    ),
}
REGISTRY = Form(
    re.compile(
        r"/subscriptions/[0-9a-f-]{36}/resourceGroups/[\w.()-]+"
        r"/providers/Microsoft\.ContainerRegistry/registries/[0-9A-Za-z]+"
    ),
    "/subscriptions/.../resourceGroups/.../providers/Microsoft.ContainerRegistry/registries/NAME",
)


@dataclass(frozen=True, slots=True)
class Timing:
    """When backups are made."""

    expression: str
    """EventBridge Scheduler's ``cron(...)`` or ``rate(...)``, AWS Backup only ``cron(...)``; Azure five fields."""
    zone: str
    """Time zone of the expression, as IANA names it; on Azure always UTC."""


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """A task that runs ``bbdc backup create``."""

    image: str
    user: str
    password_secret: str
    """ARN of the secret that holds the password and nothing else; on Azure the id of a key vault's secret."""
    journal_secret: str | None
    """Likewise, with the address of a PostgreSQL that keeps the journal; None for the task's own disk."""
    registry: str | None
    """Azure: id of the container registry that the image is pulled from; None for one that asks nobody who he is."""
    url: str | None
    zero_downtime: bool
    cpu: int
    memory: int
    retries: int
    max_age_hours: int


@dataclass(frozen=True, slots=True)
class NativeSpec:
    """A plan of AWS Backup. Times in days."""

    daily: int
    weekly: int
    monthly: int
    shortest: int
    longest: int
    compliance: bool
    """Whether the lock of the vault becomes final: nobody, not even AWS, can then shorten or remove it."""


@dataclass(frozen=True, slots=True)
class SnapshotSpec:
    """A whole stack: one way or the other of making backups by the clock."""

    cloud: str
    cluster_stack: str
    timing: Timing
    how: TaskSpec | NativeSpec
    protect: bool
    tags: Mapping[str, str] = field(default_factory=dict)


def read(config: pulumi.Config) -> SnapshotSpec:
    """Read a stack's configuration.

    Raises:
        InvalidInput: a value is wrong; the message names the key.
        pulumi.ConfigMissingError: there is no clusterStack.
    """
    if (cloud := config.get("cloud") or "aws") not in CLOUDS:
        raise InvalidInput("cloud", f"must be one of {sorted(CLOUDS)}, not {cloud!r}")
    native = config.get_bool("native") or False
    if native and cloud != "aws":
        raise InvalidInput("native", f"means nothing on {cloud}: only AWS Backup can stand in for the task")
    return SnapshotSpec(
        cloud=cloud,
        cluster_stack=config.require("clusterStack"),
        timing=_timing(config, cloud, native=native),
        how=_native(config) if native else _task(config, cloud),
        protect=config.get_bool("protectData") is not False,
        tags=config.get_object("tags") or {},
    )


def _timing(config: pulumi.Config, cloud: str, *, native: bool) -> Timing:
    ways = CLOUDS[cloud]
    expression = _formed("schedule", ways.expression, config.get("schedule") or ways.nightly)
    if native and not expression.startswith("cron("):
        raise InvalidInput("schedule", "must be cron(...) with native: AWS Backup knows no rate(...)")
    zone = matching("timeZone", ZONE, "Europe/Berlin")(config.get("timeZone") or UTC)
    if cloud == "azure" and zone != UTC:
        # Turned into UTC it would be an hour wrong for half of every year.
        raise InvalidInput("timeZone", "must be Etc/UTC on azure: Container Apps knows no other; say schedule in UTC")
    return Timing(expression, zone)


def _task(config: pulumi.Config, cloud: str) -> TaskSpec:
    for key in ("image", "passwordSecret"):
        if not config.get(key):
            raise InvalidInput(key, "is required for a task that runs `bbdc backup create`; or set native to true")
    ways, journal = CLOUDS[cloud], config.get("journalSecret")
    cpu, memory = _size(config, cloud)
    return TaskSpec(
        image=config.require("image"),
        user=config.get("user") or "bbdc-backup",
        password_secret=_formed("passwordSecret", ways.secret, config.require("passwordSecret")),
        journal_secret=_formed("journalSecret", ways.secret, journal) if journal else None,
        registry=_registry(config, cloud),
        url=config.get("url") or None,
        zero_downtime=config.get_bool("zeroDowntime") or False,
        cpu=cpu,
        memory=memory,
        retries=_retries(config, cloud),
        max_age_hours=_number(config, "maxAgeHours", 26, 1, ways.max_age),
    )


def _size(config: pulumi.Config, cloud: str) -> tuple[int, int]:
    cpu, memory = _number(config, "cpu", 512, 256, 16384), _number(config, "memory", 1024, 512, 122880)
    if cloud == "azure" and (cpu % CPU_STEP or cpu > 4096):
        raise InvalidInput("cpu", f"must be a multiple of {CPU_STEP} up to 4096 on azure, not {cpu}")
    if cloud == "azure" and memory != MEBIBYTES_EACH * cpu:
        raise InvalidInput("memory", f"must be {MEBIBYTES_EACH * cpu} with cpu {cpu} on azure: 2 GiB for each core")
    return cpu, memory


def _registry(config: pulumi.Config, cloud: str) -> str | None:
    found = config.get("registry")
    if found and cloud != "azure":
        raise InvalidInput(
            "registry", f"means nothing on {cloud}: the task may pull from every registry of the account"
        )
    return _formed("registry", REGISTRY, found) if found else None


def _retries(config: pulumi.Config, cloud: str) -> int:
    found = _number(config, "retries", RETRIES, 0, 185)
    if cloud != "aws" and found != RETRIES:
        raise InvalidInput("retries", f"means nothing on {cloud}: a job that cannot be started waits for its next time")
    return found


def _formed(key: str, form: Form, value: str) -> str:
    return matching(key, form.pattern, form.example)(value)


def _native(config: pulumi.Config) -> NativeSpec:
    shortest = _number(config, "vaultLockMinDays", 7, 1, DAYS_OF_A_CENTURY)
    longest = _number(config, "vaultLockMaxDays", 400, shortest, DAYS_OF_A_CENTURY)
    kept = {
        key: _number(config, key, days, shortest, longest)
        for key, days in (("dailyDays", 35), ("weeklyDays", 90), ("monthlyDays", 400))
    }
    return NativeSpec(
        daily=kept["dailyDays"],
        weekly=kept["weeklyDays"],
        monthly=kept["monthlyDays"],
        shortest=shortest,
        longest=longest,
        compliance=config.get_bool("vaultLockCompliance") or False,
    )


def _number(config: pulumi.Config, key: str, default: int, low: int, high: int) -> int:
    found = config.get_int(key)
    return whole_number(key, low, high)(default if found is None else found)
