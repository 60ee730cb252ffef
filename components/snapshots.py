"""What the stack of scheduled backups is asked for: its configuration, read and checked in one place.

The keys, their types, descriptions and defaults are declared in stacks/snapshots/Pulumi.yaml; a test keeps the two
together.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi

from components.checks import InvalidInput, matching, whole_number

EXPRESSION = re.compile(r"cron\(\S+( \S+){5}\)|rate\([1-9]\d* (minutes?|hours?|days?)\)")
SECRET_ARN = re.compile(r"arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:\d{12}:secret:\S+")
ZONE = re.compile(r"[A-Za-z]+(/[A-Za-z0-9_+-]+)*")
DAYS_OF_A_CENTURY = 36500
CHANGEABLE_AT_LEAST = 3
"""Days that AWS demands between setting a compliance lock and its becoming final."""


@dataclass(frozen=True, slots=True)
class Timing:
    """When backups are made."""

    expression: str
    """EventBridge Scheduler's ``cron(...)`` or ``rate(...)``; for AWS Backup only ``cron(...)``."""
    zone: str
    """Time zone of the expression, as IANA names it."""


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """A task that runs ``bbdc backup create``."""

    image: str
    user: str
    password_secret: str
    """ARN of the secret that holds the password and nothing else."""
    journal_secret: str | None
    """ARN of the secret with the address of a PostgreSQL that keeps the journal; None for the task's own disk."""
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
    native = config.get_bool("native") or False
    return SnapshotSpec(
        cluster_stack=config.require("clusterStack"),
        timing=_timing(config, native=native),
        how=_native(config) if native else _task(config),
        protect=config.get_bool("protectData") is not False,
        tags=config.get_object("tags") or {},
    )


def _timing(config: pulumi.Config, *, native: bool) -> Timing:
    expression = config.get("schedule") or "cron(0 1 * * ? *)"
    matching("schedule", EXPRESSION, "cron(0 1 * * ? *) or rate(12 hours)")(expression)
    if native and not expression.startswith("cron("):
        raise InvalidInput("schedule", "must be cron(...) with native: AWS Backup knows no rate(...)")
    zone = matching("timeZone", ZONE, "Europe/Berlin")(config.get("timeZone") or "Etc/UTC")
    return Timing(expression, zone)


def _task(config: pulumi.Config) -> TaskSpec:
    for key in ("image", "passwordSecret"):
        if not config.get(key):
            raise InvalidInput(key, "is required for a task that runs `bbdc backup create`; or set native to true")
    secret = matching(
        "passwordSecret", SECRET_ARN, "arn:aws:secretsmanager:eu-west-1:111122223333:secret:backup-AbCdEf"
    )
    journal = matching("journalSecret", SECRET_ARN, "arn:aws:secretsmanager:eu-west-1:111122223333:secret:bbdc-AbCdEf")
    return TaskSpec(
        image=config.require("image"),
        user=config.get("user") or "bbdc-backup",
        password_secret=secret(config.require("passwordSecret")),
        journal_secret=journal(found) if (found := config.get("journalSecret")) else None,
        url=config.get("url") or None,
        zero_downtime=config.get_bool("zeroDowntime") or False,
        cpu=_number(config, "cpu", 512, 256, 16384),
        memory=_number(config, "memory", 1024, 512, 122880),
        retries=_number(config, "retries", 3, 0, 185),
        max_age_hours=_number(config, "maxAgeHours", 26, 1, 168),
    )


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
