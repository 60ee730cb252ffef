"""Settings of restores and drills: the table ``[restore]``, or ``BBDC_RESTORE__`` and the name in capitals."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from automation.core.restores.drills import DrillSettings
from automation.core.restores.memory import RestoreSettings

_DRILL = DrillSettings()


@dataclass(frozen=True)
class RestoreOptions(RestoreSettings):
    """What an operator can say about restores; the limits of a swap are inherited. Times in seconds."""

    home: Annotated[str, Field(pattern=r"^/[A-Za-z0-9._/-]+$")] = "/srv/bitbucket-dc/shared"
    """Shared home on the file server."""
    drill_sample: Annotated[int, Field(ge=1)] = _DRILL.sample
    """Repositories on which a drill runs ``git fsck``."""
    drill_ready_timeout: float = _DRILL.ready_timeout
    """Longest wait until a drill's disks and database can be used."""
    drill_check_timeout: float = _DRILL.check_timeout
    """Longest time for a drill's checks."""
    drill_close_timeout: float = _DRILL.close_timeout
    """Longest wait until everything of a drill is removed."""
    drill_instance_type: str = ""
    """Machine of a drill; empty takes the file server's."""
    drill_database_class: str = ""
    """Database of a drill; empty takes the estate's."""

    @property
    def limits(self) -> RestoreSettings:
        """The part that a swap needs."""
        return RestoreSettings(**{each.name: getattr(self, each.name) for each in dataclasses.fields(RestoreSettings)})

    @property
    def drill(self) -> DrillSettings:
        """The part that a drill needs."""
        return DrillSettings(
            sample=self.drill_sample,
            ready_timeout=self.drill_ready_timeout,
            check_timeout=self.drill_check_timeout,
            close_timeout=self.drill_close_timeout,
            poll=self.poll,
        )
