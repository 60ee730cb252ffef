"""What each type declares: `table.json`, read once.

The table is kept beside this module: importing `pulumi_azure_native` and Azure's SDKs to learn the same costs seconds.
`python -m lab.pulumi.azure.table_source` writes it anew; a test compares it with what is installed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from lab.pulumi.aws.values import Properties
from lab.pulumi.azure import paths
from lab.pulumi.declared import Failure, Objects, TypeExpression


@dataclass(frozen=True, slots=True)
class Type:
    """One type of resource.

    Attributes:
        token: Such as `azure-native:network:Subnet`.
        api: The api-version that its requests name.
        inputs, required: What a program may give, and must.
        outputs: What a program may read.
        inner: Inputs that stand under `properties` in documents.
        names: Inputs that have another name in documents.
    """

    token: str
    api: str
    inputs: Mapping[str, TypeExpression]
    required: Sequence[str]
    outputs: frozenset[str]
    inner: frozenset[str]
    names: Mapping[str, str]

    @property
    def path(self) -> str:
        """Where its resources are, with parameters in braces."""
        return paths.TYPES[self.token]

    @property
    def parameters(self) -> list[str]:
        """The parameters of its path that a program gives."""
        return paths.parameters(self.path)

    @property
    def own_name(self) -> str:
        """The parameter with the resource's own name."""
        return paths.own_name(self.path)

    @property
    def default(self) -> bool:
        """Whether its resources are there as soon as their owner is."""
        return self.token in paths.DEFAULTS


@dataclass(frozen=True, slots=True)
class Table:
    """Every type that the provider has.

    Attributes:
        version: Of `pulumi_azure_native`.
        types: Token -> type.
        objects: The object types that inputs use.
        inner: Name of an object type that is shown flat -> what stands under `properties` in documents.
    """

    version: str
    types: Mapping[str, Type]
    objects: Objects
    inner: Mapping[str, frozenset[str]]


@cache
def table() -> Table:
    """Return the table."""
    raw = json.loads(resources.files(__package__).joinpath("table.json").read_text("utf-8"))
    objects = raw["objects"]
    return Table(
        raw["version"],
        {token: _type(token, found) for token, found in raw["types"].items()},
        Objects(
            {name: found["properties"] for name, found in objects.items()},
            {name: found["required"] for name, found in objects.items()},
        ),
        {name: frozenset(found["inner"]) for name, found in objects.items() if "inner" in found},
    )


def failures(kind: Type, inputs: Properties) -> Iterator[Failure]:
    """Yield what in `inputs` contradicts the declaration of a type."""
    yield from table().objects.failures("", inputs, kind.inputs, kind.required)


def _type(token: str, found: Properties) -> Type:
    return Type(
        token,
        found["api"],
        found["inputs"],
        found["required"],
        frozenset(found["outputs"]),
        frozenset(found["inner"]),
        found.get("names", {}),
    )
