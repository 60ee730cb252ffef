"""Start-up scripts: files of their own, rendered with a header of plain ``KEY='value'`` lines at their top.

A script is put together from what all scripts share, what is particular to its cloud, and its own part.
"""

import base64
from collections.abc import Mapping
from pathlib import Path

LIMITS = {"aws": 16384, "azure": 49152}
"""Bytes of user data that a cloud accepts, before its encoding."""

_HERE = Path(__file__).parent
JAVA_BY_MAJOR = {7: 11, 8: 11, 9: 17}
"""Java that a line of Bitbucket runs on; later lines need NEWEST_JAVA."""
NEWEST_JAVA = 21
JAVA_PACKAGES = {"aws": "java-{}-amazon-corretto-headless", "azure": "java-{}-openjdk-headless"}
"""Packages of the Java runtime in the distribution that machines of a cloud run."""


def render(cloud: str, script: str, values: Mapping[str, str]) -> str:
    """Return ``script`` (``node`` or ``file_server``) with its values, as clouds want it: in base64.

    Raises:
        ValueError: a value cannot be written safely, or the whole is too long for the cloud.
    """
    text = source(cloud, script, values).encode()
    if len(text) > LIMITS[cloud]:
        raise ValueError(f"the {script} script has {len(text)} bytes; {cloud} accepts {LIMITS[cloud]} of user data")
    return base64.b64encode(text).decode()


def source(cloud: str, script: str, values: Mapping[str, str]) -> str:
    """Return the script as text: interpreter, header, what scripts share, the cloud's part, and its own."""
    header = "".join(_line(key, value) for key, value in values.items())
    return f"#!/bin/bash\n{header}\n{_part('common')}\n{_part(cloud)}\n{_part(script)}"


def java_package(cloud: str, version: str) -> str:
    """Return the package with the Java runtime that a Bitbucket version needs (the archive carries none)."""
    release = JAVA_BY_MAJOR.get(int(version.split(".", maxsplit=1)[0]), NEWEST_JAVA)
    return JAVA_PACKAGES[cloud].format(release)


def _line(key: str, value: str) -> str:
    # Single quotes keep the shell from reading anything inside; a quote or line break would end them.
    if "'" in value or "\n" in value:
        raise ValueError(f"{key} must not contain a quote or a line break: {value!r}")
    return f"{key}='{value}'\n"


def _part(name: str) -> str:
    """Read a script without its comment lines: they are for whoever reads the file here, and clouds count bytes."""
    lines = (_HERE / f"{name}.sh").read_text(encoding="utf-8").splitlines()
    return "".join(f"{line}\n" for line in lines if not line.lstrip().startswith("#"))
