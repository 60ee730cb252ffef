"""Bitbucket versions, and which of them a rolling upgrade may reach.

The rule is Atlassian's ("Bug fix upgrades only", in *Upgrade Bitbucket without downtime*): same major and
minor version, higher bug-fix version. Each refusal has a name; the same name appears in preview, logs and docs.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Self

import semver


class VersionRefusal(StrEnum):
    """Why a rolling upgrade from one version to another is refused."""

    UNKNOWN_VERSION = "unknown_version"
    PLATFORM_UPGRADE = "platform_upgrade"
    FEATURE_UPGRADE = "feature_upgrade"
    LOWER_VERSION = "lower_version"
    SAME_VERSION = "same_version"


@dataclass(frozen=True, slots=True, order=True)
class Version:
    """A Bitbucket version such as ``7.9.4``; pre-releases such as ``8.0.0-m24`` sort below their release."""

    parsed: semver.Version

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``7.9.4`` or ``7.9`` (padded with zeros).

        Raises:
            ValueError: the text is no version.
        """
        core, _, rest = text.strip().partition("-")
        if core.count(".") == 1:
            core += ".0"
        return cls(semver.Version.parse(f"{core}-{rest}" if rest else core))

    @property
    def line(self) -> tuple[int, int]:
        """Major and minor version: nodes of one line can form a mixed cluster in upgrade mode."""
        return self.parsed.major, self.parsed.minor

    @property
    def is_prerelease(self) -> bool:
        """True for milestones, release candidates and snapshots."""
        return self.parsed.prerelease is not None

    def __str__(self) -> str:
        return str(self.parsed)


@lru_cache(maxsize=1024)  # asked for every node at every pass, about the same few texts
def same_version(left: str | None, right: str | None) -> bool:
    """Tell whether two version texts mean one version (``7.9`` and ``7.9.0`` do)."""
    if left is None or right is None:
        return False
    try:
        return Version.parse(left) == Version.parse(right)
    except ValueError:
        return left == right


def refuse_upgrade(current: str, target: str) -> VersionRefusal | None:
    """Name the rule that a rolling upgrade from ``current`` to ``target`` would break, or return None."""
    try:
        old, new = Version.parse(current), Version.parse(target)
    except ValueError:
        return VersionRefusal.UNKNOWN_VERSION
    if new == old:
        return VersionRefusal.SAME_VERSION
    if new < old:
        return VersionRefusal.LOWER_VERSION
    if new.parsed.major != old.parsed.major:
        return VersionRefusal.PLATFORM_UPGRADE
    if new.line != old.line:
        return VersionRefusal.FEATURE_UPGRADE
    return None


EXPLANATIONS: dict[VersionRefusal, str] = {
    VersionRefusal.UNKNOWN_VERSION: "'{target}' is no Bitbucket version; write it as 7.9.4",
    VersionRefusal.PLATFORM_UPGRADE: (
        "{current} -> {target} is a platform upgrade; a rolling upgrade reaches bug-fix versions only, "
        "such as {line}.x: stop the cluster and follow the upgrade guide for this one"
    ),
    VersionRefusal.FEATURE_UPGRADE: (
        "{current} -> {target} is a feature upgrade; a rolling upgrade reaches bug-fix versions only, "
        "such as {line}.x: stop the cluster and follow the upgrade guide for this one"
    ),
    VersionRefusal.LOWER_VERSION: (
        "{target} is lower than the running {current}; before approval use rollback, after it restore a backup"
    ),
    VersionRefusal.SAME_VERSION: "the cluster runs {current} already",
}


def explain_refusal(refusal: VersionRefusal, current: str, target: str) -> str:
    """Say in one sentence what is wrong with the pair of versions, and what to do instead."""
    try:
        line = ".".join(map(str, Version.parse(current).line))
    except ValueError:
        line = current
    return EXPLANATIONS[refusal].format(current=current, target=target, line=line)
