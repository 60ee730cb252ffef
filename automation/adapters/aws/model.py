"""What new nodes are made from, read where every node reads it: the group's launch template and its start-up script."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from automation.adapters.aws.discovery import Estate
from automation.adapters.aws.session import Caller
from automation.adapters.aws.templates import Reference
from automation.adapters.host.start_script import values_of
from automation.ports.errors import NotFound


@dataclass(frozen=True, slots=True)
class Model:
    """One launch template version, with the values in its script's header."""

    data: dict[str, Any]
    """``LaunchTemplateData`` as ``describe-launch-template-versions`` has it."""
    values: dict[str, str]
    """``NAME='value'`` lines of the start-up script."""

    @property
    def database_host(self) -> str:
        """Host of the database that new nodes use; empty when the script names none."""
        return self.values.get("DATABASE_HOST", "")

    @property
    def database_secret(self) -> str:
        """Secret with the database's password; empty when the script names none."""
        return self.values.get("DATABASE_SECRET", "")


def model_of(caller: Caller, cluster: str) -> Model:
    """Read the model of a cluster's nodes.

    Raises:
        NotFound: the cluster has no group, or the group no launch template.
    """
    reference = Reference.of_group(Estate(caller, cluster).group())
    if reference is None:
        raise NotFound(f"the nodes of cluster {cluster} have no launch template")
    found = caller.call(
        "ec2",
        "describe_launch_template_versions",
        LaunchTemplateId=reference.template,
        Versions=[reference.version],
    ).get("LaunchTemplateVersions")
    if not found:
        raise NotFound(f"launch template {reference.template} has no version {reference.version}")
    data = dict(found[0].get("LaunchTemplateData") or {})
    return Model(data, values_of(str(data.get("UserData") or "")))
