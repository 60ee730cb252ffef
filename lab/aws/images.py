"""Machine images of the region, and the public SSM parameters that lead to them."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Any

from moto.ec2.models.amis import Ami
from moto.ssm.models import Parameter, ParameterDict

from lab.aws.patches import Patches

if TYPE_CHECKING:
    from lab.aws.world import AwsWorld

AMAZON = "137112412989"
IMAGES = {"x86_64": "ami-0b17e7e8e0a1ab023", "arm64": "ami-0a64a64a64a1ab023"}
KINDS = ("kernel-default", "kernel-6.1", "minimal-kernel-default")
RELEASED = dt.datetime(2025, 9, 29, tzinfo=dt.UTC)


def install(world: AwsWorld, patches: Patches) -> None:
    """Register one image per architecture; the public parameters of Amazon Linux 2023 name them."""
    backend = world.backend("ec2")
    for architecture, identity in IMAGES.items():
        backend.amis[identity] = _image(backend, identity, architecture)

    @patches.replace(ParameterDict, "_load_latest_amis")
    def load(self: Any) -> None:
        for architecture, identity in IMAGES.items():
            for kind in KINDS:
                name = f"/aws/service/ami-amazon-linux-latest/al2023-ami-{kind}-{architecture}"
                dict.__setitem__(self, name, [_parameter(self, name, identity)])


def _image(backend: Any, identity: str, architecture: str) -> Any:
    return Ami(
        backend,
        identity,
        name=f"al2023-ami-2023.9.20250929.0-kernel-6.1-{architecture}",
        description="Amazon Linux 2023, as the lab has it",
        owner_id=AMAZON,
        owner_alias="amazon",
        public=True,
        virtualization_type="hvm",
        architecture=architecture,
        hypervisor="xen",
        root_device_type="ebs",
        root_device_name="/dev/xvda",
        creation_date=RELEASED,
        region_name=f"{backend.region_name}a",
    )


def _parameter(parameters: Any, name: str, value: str) -> Any:
    return Parameter(
        account_id=parameters.account_id,
        name=name,
        value=value,
        parameter_type="String",
        description=None,
        allowed_pattern=None,
        keyid=None,
        last_modified_date=RELEASED,
        version=1,
        data_type="aws:ec2:image",
    )
