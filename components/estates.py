"""Which component declares an estate on which cloud.

The components are found by name, because each needs the SDK of its own cloud: whoever installed one has not the other.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import pulumi

from components.config import Program

COMPONENTS: Mapping[str, tuple[str, str]] = {
    "aws": ("components.aws.cluster", "AwsBitbucketCluster"),
    "azure": ("components.azure.cluster", "AzureBitbucketCluster"),
}
"""Cloud -> module and class."""


def declare(name: str, program: Program, version: pulumi.Input[str]) -> Any:
    """Declare the estate that a stack's configuration asks for, with nodes of ``version``.

    Raises:
        InvalidInput: an input is wrong; the message names it.
    """
    module, component = COMPONENTS[program.cloud]
    return getattr(import_module(module), component)(name, {**program.args, "version": version})
