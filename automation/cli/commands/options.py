"""Options that several commands take, with their help in one place."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

Json = Annotated[bool, Parameter(name="--json", negative=(), help="Tell it as JSON (docs/reference/json.md).")]
Yes = Annotated[bool, Parameter(name=("--yes", "-y"), negative=(), help="Do not ask; never reads standard input.")]
Direct = Annotated[
    bool,
    Parameter(
        name="--direct",
        negative=(),
        help="Roll without Pulumi: for an estate that no Pulumi program owns. The group's model is changed too.",
    ),
]
Version = Annotated[str, Parameter(help="Bitbucket version, such as 7.9.4.")]
