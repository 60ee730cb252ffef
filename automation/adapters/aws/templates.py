"""Launch templates: which Bitbucket version a group's model carries, and a new model version with another.

The version stands twice in a template: in the instance tags (that is what we read) and in the user data (that is
what installs it). Both change together, or nothing changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from automation.adapters.aws import tags
from automation.adapters.aws.session import Caller
from automation.adapters.host.start_script import archive_of, value_of, with_version
from automation.ports.errors import Conflict, NotFound


@dataclass(frozen=True, slots=True)
class Reference:
    """A launch template version as a group or an instance names it."""

    template: str
    """Launch template id."""
    version: str
    """A number, ``$Latest`` or ``$Default``."""

    @classmethod
    def of(cls, spec: Mapping[str, Any] | None) -> Reference | None:
        """Read ``{LaunchTemplateId, Version}``; None for a launch configuration."""
        if not spec or not spec.get("LaunchTemplateId"):
            return None
        # AWS takes the default version where a group names none.
        return cls(str(spec["LaunchTemplateId"]), str(spec.get("Version") or "$Default"))

    @classmethod
    def of_group(cls, group: Mapping[str, Any]) -> Reference | None:
        """Read the template of an auto-scaling group, also behind a mixed instances policy."""
        policy = group.get("MixedInstancesPolicy") or {}
        mixed = (policy.get("LaunchTemplate") or {}).get("LaunchTemplateSpecification")
        return cls.of(group.get("LaunchTemplate") or mixed)


class Templates:
    """Launch template versions; numbered ones never change, so they are read once."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._known: dict[Reference, dict[str, Any]] = {}

    def bitbucket_version(self, reference: Reference | None) -> str | None:
        """Return the Bitbucket version that the template carries; None when it says none."""
        return None if reference is None else version_of(self._data(reference))

    def archive_template(self, reference: Reference | None) -> str | None:
        """Return where machines of the template fetch the archive, with ``{version}``; None when it does not say."""
        return None if reference is None else archive_of(str(self._data(reference).get("UserData") or ""))

    def value(self, reference: Reference | None, name: str) -> str | None:
        """Return what the start-up script assigns to ``name``; None when it does not."""
        if reference is None:
            return None
        return value_of(str(self._data(reference).get("UserData") or ""), name)

    def _data(self, reference: Reference) -> dict[str, Any]:
        return dict(self._described(reference).get("LaunchTemplateData") or {})

    def _described(self, reference: Reference) -> dict[str, Any]:
        if reference in self._known:
            return self._known[reference]
        found = self._caller.call(
            "ec2",
            "describe_launch_template_versions",
            LaunchTemplateId=reference.template,
            Versions=[reference.version],
        ).get("LaunchTemplateVersions")
        if not found:
            raise NotFound(f"launch template {reference.template} has no version {reference.version}")
        if reference.version.isdigit():
            self._known[reference] = found[0]
        return dict(found[0])

    def with_version(self, reference: Reference, version: str, *, observed: str | None) -> str | None:
        """Make a template version that carries ``version``; return its number, or None when it carries it already.

        Raises:
            Conflict: the template does not carry ``observed``.
            Unexpected: its user data names no version in a line that we know.
        """
        described = self._described(reference)
        data = dict(described.get("LaunchTemplateData") or {})
        carried = version_of(data)
        if carried == version:
            return None
        if carried != observed:
            message = f"launch template {reference.template} carries {carried}, not {observed} as observed"
            raise Conflict(message, hint="somebody else changed it: look again")
        source = str(described["VersionNumber"])
        made = self._caller.call(
            "ec2",
            "create_launch_template_version",
            LaunchTemplateId=reference.template,
            SourceVersion=source,
            ClientToken=f"bitbucket-dc-{source}-{version}",
            VersionDescription=f"Bitbucket {version}",
            LaunchTemplateData={
                "UserData": with_version(
                    str(data.get("UserData") or ""), version, f"launch template {reference.template}"
                ),
                "TagSpecifications": _tags_with(data.get("TagSpecifications") or [], version),
            },
        )
        return str(made["LaunchTemplateVersion"]["VersionNumber"])

    def make_default(self, reference: Reference, number: str) -> None:
        """Let ``$Default`` mean version ``number``."""
        self._caller.call("ec2", "modify_launch_template", LaunchTemplateId=reference.template, DefaultVersion=number)


def version_of(data: Mapping[str, Any]) -> str | None:
    """Return the value of the version tag among the tags for instances."""
    for spec in data.get("TagSpecifications") or ():
        if spec.get("ResourceType") == "instance":
            return tags.read(spec.get("Tags")).get(tags.VERSION) or None
    return None


def _tags_with(specs: list[dict[str, Any]], version: str) -> list[dict[str, Any]]:
    """Return the tag specifications with the version tag set wherever it stood, and on instances always."""
    kept = [spec for spec in specs if spec.get("ResourceType") != "instance"]
    before = next((spec for spec in specs if spec.get("ResourceType") == "instance"), {"ResourceType": "instance"})
    return [_retagged(before, version), *(_retagged(s, version) if _is_versioned(s) else s for s in kept)]


def _is_versioned(spec: Mapping[str, Any]) -> bool:
    return tags.VERSION in tags.read(spec.get("Tags"))


def _retagged(spec: Mapping[str, Any], version: str) -> dict[str, Any]:
    values = tags.read(spec.get("Tags")) | {tags.VERSION: version}
    return {"ResourceType": spec["ResourceType"], "Tags": [{"Key": k, "Value": v} for k, v in values.items()]}
