"""Checks of inputs. Each returns the value or raises InvalidInput, which names the input and says what to write."""

import re
from collections.abc import Callable, Sequence
from ipaddress import IPv4Network
from typing import TypeVar
from urllib.parse import urlsplit

import pulumi

T = TypeVar("T")

VERSION = re.compile(r"\d+\.\d+\.\d+(-[0-9A-Za-z.]+)?")
SHA256 = re.compile(r"[0-9a-f]{64}")
LARGEST_VPC, SMALLEST_VPC = 16, 22


class InvalidInput(pulumi.RunError, ValueError):
    """An input that no estate can be built from. Pulumi shows the message without a traceback."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")


def when_known(value: pulumi.Input[T], check: Callable[[T], T]) -> pulumi.Input[T]:
    """Check a value now or, when it is another resource's output, as soon as it is known."""
    if isinstance(value, pulumi.Output):
        return value.apply(check)
    return check(value)  # type: ignore[arg-type]  # awaitables are no part of this package's inputs


def whole_number(name: str, low: int, high: int) -> Callable[[float], int]:
    """Return a check for whole numbers; a remote consumer's numbers arrive as floats."""

    def check(value: float) -> int:
        if isinstance(value, bool) or int(value) != value or not low <= value <= high:
            raise InvalidInput(name, f"must be a whole number from {low} to {high}, not {value!r}")
        return int(value)

    return check


def matching(name: str, pattern: re.Pattern[str], example: str) -> Callable[[str], str]:
    """Return a check for texts of one form."""

    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise InvalidInput(name, f"must look like {example}, not {value!r}")
        return value

    return check


def network(name: str, value: str) -> IPv4Network:
    """Read an IPv4 network that can be split into subnets of a size that load balancers accept."""
    try:
        parsed = IPv4Network(value)
    except ValueError as wrong:
        raise InvalidInput(name, f"must be an IPv4 network such as 10.0.0.0/16, not {value!r} ({wrong})") from wrong
    if not LARGEST_VPC <= parsed.prefixlen <= SMALLEST_VPC:
        raise InvalidInput(name, f"must be a /{LARGEST_VPC} to a /{SMALLEST_VPC}, not a /{parsed.prefixlen}")
    return parsed


def cidrs(name: str, values: Sequence[str]) -> tuple[str, ...]:
    """Check a list of IPv4 networks that is not empty."""
    for value in values:
        try:
            IPv4Network(value)
        except ValueError as wrong:
            raise InvalidInput(name, f"{value!r} is no IPv4 network ({wrong})") from wrong
    if not values:
        raise InvalidInput(name, "must hold at least one network; nobody could reach the load balancers")
    return tuple(values)


def address(name: str, schemes: Sequence[str]) -> Callable[[str], str]:
    """Return a check for a URL of a host and nothing below it; a slash at its end is taken away."""

    def check(value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in schemes or not parts.hostname or parts.path not in {"", "/"} or parts.query:
            raise InvalidInput(name, f"must be {schemes[0]}://host without a path, not {value!r}")
        return value.rstrip("/")

    return check


def archive_template(name: str, bucket: str, *, insecure: bool) -> Callable[[str], str]:
    """Return a check for the archive's address; plain HTTP only where the whole estate is declared insecure.

    ``bucket`` is the scheme of the cloud's own object storage.
    """
    schemes = ("https", bucket, "http") if insecure else ("https", bucket)

    def check(value: str) -> str:
        if urlsplit(value).scheme not in schemes:
            raise InvalidInput(name, f"must start with https:// or {bucket}://, not {value!r}")
        if "{version}" not in value:
            raise InvalidInput(name, f"must contain {{version}}, the part that an upgrade changes; {value!r} does not")
        return value

    return check
