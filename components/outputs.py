"""A component's outputs by the names that other languages and stacks see."""

import re
from typing import Any

import pulumi


def exports(component: pulumi.ComponentResource) -> dict[str, pulumi.Output[Any]]:
    """Return every output that a component's class declares: ``ssh_url`` as ``sshUrl``."""
    return {camel_case(name): getattr(component, name) for name in type(component).__annotations__}


def camel_case(name: str) -> str:
    """Return a Python name as it is written in configuration and outputs: ``vpc_id`` as ``vpcId``."""
    return re.sub(r"_(\w)", lambda found: found[1].upper(), name)
