"""Autoscale of a scale set: the one process on Azure that adds and takes machines by itself, and its limits."""

from __future__ import annotations

from typing import Any

from automation.adapters.azure.session import Caller
from automation.ports.errors import Conflict

PROCESS = "Autoscale"
"""The name under which it is switched off and on."""
UNLIMITED = (0, 1000)
"""Limits of a scale set that nobody scales: those of Azure itself."""


class Autoscale:
    """The autoscale setting of one scale set; there may be none."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller

    def setting(self, group: str) -> Any | None:
        """Return the setting of the scale set with this resource id; None when nobody scales it."""
        found = self._caller.pages("monitor", "autoscale_settings.list_by_resource_group", self._caller.group)
        return next((one for one in found if str(one.target_resource_uri).lower() == group.lower()), None)

    def limits(self, setting: Any | None) -> tuple[int, int]:
        """Return the least and the most machines."""
        if setting is None:
            return UNLIMITED
        capacities = [profile.capacity for profile in setting.profiles]
        return min(int(one.minimum) for one in capacities), max(int(one.maximum) for one in capacities)

    def raise_to(self, setting: Any | None, desired: int) -> None:
        """Let so many machines be allowed."""
        minimum, maximum = self.limits(setting)
        if setting is not None and desired > maximum:
            self.limit(setting, minimum, desired, desired)

    def limit(self, setting: Any | None, minimum: int, maximum: int, desired: int) -> None:
        """Set the limits.

        Raises:
            Conflict: ``desired`` lies outside, so that Azure would change the capacity.
        """
        if self.limits(setting) == (minimum, maximum):
            return
        if not minimum <= desired <= maximum:
            raise Conflict(f"limits {minimum}..{maximum} would change the capacity of {desired}")
        if setting is None:
            return  # nobody scales the set: there is nothing that limits it, and nothing to be limited
        for profile in setting.profiles:
            profile.capacity.minimum, profile.capacity.maximum = str(minimum), str(maximum)
        self._write(setting)

    def switch(self, setting: Any | None, *, on: bool) -> None:
        """Switch it on or off; nothing happens where there is none."""
        if setting is not None and bool(setting.enabled) is not on:
            setting.enabled = on
            self._write(setting)

    def _write(self, setting: Any) -> None:
        self._caller.call("monitor", "autoscale_settings.create_or_update", self._caller.group, setting.name, setting)
