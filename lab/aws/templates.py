"""Launch templates: a new version inherits from ``SourceVersion``; names and user data are checked as AWS does.

Repairs in moto: version 2 held only what was sent with it; user data of later versions was kept as plain text; a
default version could not be named ``$Latest``.
"""

from __future__ import annotations

import copy
import re
from typing import TYPE_CHECKING, Any

from moto.ec2.exceptions import EC2ClientError
from moto.ec2.models.launch_templates import LaunchTemplate
from moto.ec2.responses.launch_templates import LaunchTemplates
from moto.ec2.utils import parse_user_data

from lab.aws.patches import Patches

if TYPE_CHECKING:
    from lab.aws.world import AwsWorld

NAME = re.compile(r"[a-zA-Z0-9().\-/_]{3,128}")


def install(world: AwsWorld, patches: Patches) -> None:  # noqa: ARG001 - every part is installed alike
    """Repair launch templates."""

    @patches.wrap(LaunchTemplates, "create_launch_template")
    def create(original: Any, self: Any) -> Any:
        name = self._get_param("LaunchTemplateName") or ""
        if not NAME.fullmatch(name):
            raise EC2ClientError("InvalidLaunchTemplateName.MalformedException", f"Invalid launch template name {name}")
        return original(self)

    @patches.wrap(LaunchTemplates, "create_launch_template_version")
    def create_version(original: Any, self: Any) -> Any:
        template = _template(self)
        source = self._get_param("SourceVersion")
        template.lab_source = None if source is None else template.get_version(source)
        try:
            return original(self)
        finally:
            template.lab_source = None

    @patches.wrap(LaunchTemplate, "create_version")
    def merge(original: Any, self: Any, data: dict[str, Any], description: str) -> Any:
        source = getattr(self, "lab_source", None)
        merged = {**copy.deepcopy(source.data), **data} if source is not None else dict(data)
        user_data = merged.get("UserData")
        merged["UserData"] = None if user_data is None else parse_user_data(str(user_data))
        return original(self, {name: value for name, value in merged.items() if value is not None}, description)


def _template(response: Any) -> Any:
    name, identity = response._get_param("LaunchTemplateName"), response._get_param("LaunchTemplateId")  # noqa: SLF001 - moto's accessor
    backend = response.ec2_backend
    return backend.get_launch_template(identity) if identity else backend.get_launch_template_by_name(name)
