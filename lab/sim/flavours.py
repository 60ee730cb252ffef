"""The two kinds of cloud in virtual time: what a suite over both makes its estates with."""

from __future__ import annotations

from dataclasses import dataclass, replace

from automation.core.capabilities import AWS, AZURE, Capabilities
from lab.sim.estate import Estate
from lab.sim.safe import SafeEstate
from lab.sim.settings import SimSettings, VaultSettings

LOG_LAG = 12.0
"""How far a database's log lags behind where a test says nothing: Azure promises five minutes at most."""


@dataclass(frozen=True, slots=True)
class Flavour:
    """One kind of cloud."""

    name: str
    capabilities: Capabilities

    @property
    def moment(self) -> float:
        """Return the longest time, in seconds, until the instant of a database's member is fixed."""
        return 1.0 if self.capabilities.database_restores_by_time else 0.0

    def settings(self, settings: SimSettings | None = None) -> SimSettings:
        """Return settings for an estate of this kind."""
        return replace(settings or SimSettings(), capabilities=self.capabilities)

    def vaults(self, vaults: VaultSettings | None = None) -> VaultSettings:
        """Return settings for vaults of this kind; a database that is restored by time has a log."""
        vaults = vaults or VaultSettings()
        if not self.capabilities.database_restores_by_time:
            return vaults
        lag = LOG_LAG if vaults.log_lag is None else vaults.log_lag
        return replace(vaults, by_time=True, restore_points=True, log_lag=lag)

    def estate(self, settings: SimSettings | None = None, seed: int = 0) -> Estate:
        """Return an estate that serves."""
        return Estate(self.settings(settings), seed)

    def safe(
        self, settings: SimSettings | None = None, vaults: VaultSettings | None = None, seed: int = 0
    ) -> SafeEstate:
        """Return an estate with data."""
        return SafeEstate(self.settings(settings), self.vaults(vaults), seed)


AWS_LIKE, AZURE_LIKE = BOTH = (Flavour("aws", AWS), Flavour("azure", AZURE))


def by_turns(seed: int) -> Flavour:
    """Return the kind for a seed: both take turns, so that a suite over seeds costs no more with two clouds."""
    return BOTH[seed % len(BOTH)]
