"""Places for drills over the lab's clouds and in memory, as subjects of the contract suite."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from automation.adapters.aws.drills import AwsDrills
from automation.adapters.aws.session import Aws
from automation.adapters.azure.drills import AzureDrills
from automation.core.backups.sets import BackupSet
from automation.ports.drills import Drills
from lab.sim.restore_stories import SET
from tests.adapters.aws import drilling as on_aws
from tests.adapters.aws.conftest import Scripted
from tests.adapters.azure import drilling as on_azure
from tests.cli.worlds import FakeDrills
from tests.contracts.aws import environment
from tests.contracts.safe_azure import CLUSTER as AZURE_CLUSTER
from tests.lab.aws.estate import CLUSTER as AWS_CLUSTER


@dataclass(frozen=True)
class DrillSubject:
    """One implementation over an estate, of which there is a set."""

    drills: Drills
    found: BackupSet
    elsewhere: Drills
    """The port for another cluster of the same account."""
    wait: Callable[[float], None]
    everything: Callable[[], set[str]]
    """Returns the names of all that exists in the account."""
    secret: str = ""
    """The database's password, which nobody may be told."""


@contextmanager
def drills_aws(root: Path) -> Iterator[DrillSubject]:
    """Yield the adapter over the lab's AWS."""
    lab = on_aws.Drilling(root, Scripted())
    with lab.world, patch.dict(os.environ, environment(lab.world)):
        found, caller = lab.build(), Aws().caller()
        ours, others = AwsDrills(caller, AWS_CLUSTER), AwsDrills(caller, "another")
        yield DrillSubject(ours, found, others, lab.sleep, lab.everything, on_aws.PASSWORD)


@contextmanager
def drills_azure(root: Path) -> Iterator[DrillSubject]:
    """Yield the adapter over the lab's Azure."""
    lab = on_azure.Drilling(root)
    with lab.serving() as (azure, found):
        ours, others = AzureDrills(azure.caller(), AZURE_CLUSTER), AzureDrills(azure.caller(), "another")
        yield DrillSubject(ours, found, others, lab.sleep, lab.everything, on_azure.PASSWORD)


@contextmanager
def drills_in_memory(_: Path) -> Iterator[DrillSubject]:
    """Yield what the commands are tested with."""
    ours = FakeDrills()
    yield DrillSubject(ours, SET, FakeDrills(), lambda _: None, lambda: set(ours.places))
