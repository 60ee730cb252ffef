"""AWS Backup: selections of a plan, and changes of one. moto has neither; nothing here takes a backup."""

from __future__ import annotations

import json
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from moto.backup.exceptions import AlreadyExistsException, InvalidRequestException, ResourceNotFoundException
from moto.backup.models import BackupBackend, Plan
from moto.backup.responses import BackupResponse
from moto.core.utils import unix_time
from moto.moto_api._internal import mock_random

from lab.aws.patches import Patches

if TYPE_CHECKING:
    from lab.aws.world import AwsWorld


@dataclass(frozen=True, slots=True)
class Selection:
    """Resources that a plan backs up, as they were asked for."""

    id: str
    plan: str
    role: str
    created: float
    asked: dict[str, Any]

    def short(self) -> dict[str, Any]:
        """Return what creating and listing show."""
        return {
            "SelectionId": self.id,
            "SelectionName": self.asked["SelectionName"],
            "BackupPlanId": self.plan,
            "CreationDate": self.created,
            "IamRoleArn": self.role,
        }


def install(world: AwsWorld, patches: Patches) -> None:  # noqa: ARG001 - every part is installed alike
    """Let moto's AWS Backup keep selections."""
    repair(patches)


def repair(patches: Patches) -> None:
    """The same without a world, for a moto that runs by itself."""
    _creating(patches)
    _reading(patches)
    _deleting(patches)
    _updating(patches)


def _selections(backend: BackupBackend) -> dict[str, Selection]:
    found: dict[str, Selection] = vars(backend).setdefault("lab_selections", {})
    return found


def _creating(patches: Patches) -> None:
    @patches.add(BackupResponse, "create_backup_selection")
    def create(self: Any) -> str:
        plan, asked = _plan(self), json.loads(self.body)["BackupSelection"]
        kept = _selections(self.backup_backend)
        names = {s.asked["SelectionName"] for s in kept.values() if s.plan == plan.backup_plan_id}
        if asked["SelectionName"] in names:
            raise AlreadyExistsException("Backup selection with the same name already exists")
        identity = str(mock_random.uuid4())
        kept[identity] = Selection(identity, plan.backup_plan_id, asked["IamRoleArn"], unix_time(), asked)
        return json.dumps(kept[identity].short())


def _reading(patches: Patches) -> None:
    @patches.add(BackupResponse, "get_backup_selection")
    def get(self: Any) -> str:
        found = _one(self)
        return json.dumps({**found.short(), "BackupSelection": found.asked})

    @patches.add(BackupResponse, "list_backup_selections")
    def listed(self: Any) -> str:
        plan = _plan(self).backup_plan_id
        found = [s.short() for s in _selections(self.backup_backend).values() if s.plan == plan]
        return json.dumps({"BackupSelectionsList": found})


def _deleting(patches: Patches) -> None:
    @patches.add(BackupResponse, "delete_backup_selection")
    def delete(self: Any) -> str:
        del _selections(self.backup_backend)[_one(self).id]
        return "{}"

    @patches.wrap(BackupBackend, "delete_backup_plan")
    def delete_plan(original: Any, self: Any, backup_plan_id: str) -> Any:
        if any(s.plan == backup_plan_id for s in _selections(self).values()):
            raise InvalidRequestException(
                "Related backup plan selections must be deleted prior to backup plan deletion"
            )
        return original(self, backup_plan_id)


def _updating(patches: Patches) -> None:
    @patches.add(BackupResponse, "update_backup_plan")
    def update(self: Any) -> str:
        plan = _plan(self)
        asked = Plan(deepcopy(json.loads(self.body)["BackupPlan"]), plan.creator_request_id, self.backup_backend)
        plan.backup_plan, plan.version_id = asked.backup_plan, asked.version_id
        return json.dumps(plan.to_dict())


def _path(response: Any) -> list[str]:
    """Return what follows ``/backup/plans/``: the plan's id and, after ``selections``, a selection's."""
    after: str = response.path.split("/plans/", 1)[1]
    return [part for part in after.split("/") if part]


def _plan(response: Any) -> Any:
    plan = response.backup_backend.get_backup_plan(_path(response)[0], None)
    if plan.deletion_date is not None:
        raise ResourceNotFoundException("Failed reading Backup plan with provided version")
    return plan


def _one(response: Any) -> Selection:
    plan, _word, identity = _path(response)
    found = _selections(response.backup_backend).get(identity)
    if found is None or found.plan != plan:
        raise ResourceNotFoundException(f"Cannot find Backup selection {identity}")
    return found
