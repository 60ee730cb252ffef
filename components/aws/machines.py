"""What nodes and the file server have in common: their image, their disks, how they answer for their identity."""

import pulumi
import pulumi_aws as aws

from components.args import InstanceMetadata

IMAGE_PARAMETER = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
"""Public parameter with the newest Amazon Linux 2023."""


def image(chosen: pulumi.Input[str] | None, parent: pulumi.Resource) -> pulumi.Input[str]:
    """Return the AMI to start machines from."""
    if chosen is not None:
        return chosen
    found = aws.ssm.get_parameter_output(name=IMAGE_PARAMETER, opts=pulumi.InvokeOutputOptions(parent=parent))
    # Parameters are secret by default; this one is the same for everybody, and hiding it would hide changes of it.
    return pulumi.Output.unsecret(found.value)


def metadata_options(metadata: InstanceMetadata) -> dict[str, pulumi.Input[str | int]]:
    """Return the metadata options: one hop, so that nothing but the machine itself can ask."""
    return {"http_endpoint": "enabled", "http_tokens": str(metadata), "http_put_response_hop_limit": 1}
