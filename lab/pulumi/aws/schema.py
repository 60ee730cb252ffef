"""What properties each resource type has, as `pulumi_aws` declares them.

The declaration is kept as `schema.json` beside this module: importing `pulumi_aws` costs seconds and a hundred
megabytes, which a lab should not pay at every start. `python -m lab.pulumi.aws.schema_source` writes the file
anew; a test compares it with the installed `pulumi_aws`.

A type is written as `"string"`, `"integer"`, `"number"`, `"boolean"`, `"any"`, `["list", T]`, `["map", T]`
or `{"object": NAME}`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from lab.pulumi.aws.values import Properties
from lab.pulumi.declared import Failure, Objects, TypeExpression


@dataclass(frozen=True, slots=True)
class ResourceSchema:
    """The properties of one resource type."""

    inputs: Mapping[str, TypeExpression]
    required: Sequence[str]
    outputs: Sequence[str]


@dataclass(frozen=True, slots=True)
class Schema:
    """Every resource type the provider has, and the object types their properties use."""

    version: str
    resources: Mapping[str, ResourceSchema]
    objects: Mapping[str, Mapping[str, TypeExpression]]
    required: Mapping[str, Sequence[str]]


@cache
def schema() -> Schema:
    """Return the declared properties of all resource types."""
    raw = json.loads(resources.files(__package__).joinpath("schema.json").read_text("utf-8"))
    return Schema(
        raw["version"],
        {token: ResourceSchema(r["inputs"], r["required"], r["outputs"]) for token, r in raw["resources"].items()},
        {name: o["properties"] for name, o in raw["objects"].items()},
        {name: o["required"] for name, o in raw["objects"].items()},
    )


def failures(token: str, inputs: Properties) -> Iterator[Failure]:
    """Yield what in `inputs` contradicts the declaration of the resource type `token`."""
    declared = schema().resources[token]
    objects = Objects(schema().objects, schema().required)
    yield from objects.failures("", inputs, declared.inputs, declared.required)
