"""What new nodes are made from, read where every node reads it: the scale set's model and its start-up script."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from automation.adapters.azure.discovery import Estate
from automation.adapters.azure.session import Caller
from automation.adapters.host.start_script import values_of

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Model:
    """A scale set's model, with the values in its script's header."""

    group: Json
    """The scale set as Azure Resource Manager has it."""
    values: dict[str, str]
    """``NAME='value'`` lines of the start-up script."""

    @property
    def profile(self) -> Json:
        """Profile of new machines."""
        return dict((self.group.get("properties") or {}).get("virtualMachineProfile") or {})

    @property
    def database_host(self) -> str:
        """Host of the database that new nodes use; empty when the script names none."""
        return self.values.get("DATABASE_HOST", "")

    @property
    def database_secret(self) -> str:
        """Address of the secret with the database's password; empty when the script names none."""
        return self.values.get("DATABASE_SECRET", "")

    @property
    def identity(self) -> str:
        """Client id of the identity that may read it; empty when the script names none."""
        return self.values.get("IDENTITY_CLIENT_ID", "")


def model_of(caller: Caller, cluster: str) -> Model:
    """Read the model of a cluster's nodes.

    Raises:
        NotFound: the cluster has no scale set.
    """
    group = Estate(caller, cluster).group()
    profile = (group.get("properties") or {}).get("virtualMachineProfile") or {}
    return Model(group, values_of(str(profile.get("userData") or "")))
