"""Azure Monitor's ingestion of custom metrics: a door of its own, where metrics of any resource are sent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lab.azure import errors
from lab.azure.errors import ArmError
from lab.azure.messages import Answer, Json, Request
from lab.azure.operations import seconds_of
from lab.azure.paths import key
from lab.azure.ports import Call

if TYPE_CHECKING:
    from lab.azure.world import AzureWorld

AUDIENCE = "https://monitoring.azure.com"
ACTION = "Microsoft.Insights/Metrics/Write"
OLDEST, NEWEST = 20 * 60.0, 4 * 60.0
"""So many seconds may a point lie behind the clock, or before it."""


@dataclass(frozen=True, slots=True)
class Point:
    """One value of a custom metric, with its dimensions."""

    moment: float
    dimensions: dict[str, str]
    value: float


@dataclass(slots=True)
class CustomMetrics:
    """Every point that was taken.

    Attributes:
        world: whose resources they belong to.
        url: where they are sent.
        known: (id of the resource, namespace, metric), all in lower case -> points, in the order of their coming.
    """

    world: AzureWorld
    url: str = ""
    known: dict[tuple[str, str, str], list[Point]] = field(default_factory=lambda: defaultdict(list))

    def answer(self, request: Request) -> Answer:
        """Take one document; hold the world's lock.

        Raises:
            ArmError: the sender may not, the resource does not exist, or the document says nothing.
        """
        principal = self.world.identities.bearer(request.headers, {AUDIENCE})
        place, _, ending = request.path.rpartition("/")
        if request.method != "POST" or ending != "metrics":
            raise ArmError(404, "NotFound", f"There is nothing at {request.path}.")
        resource = self.world.resources.get(place)
        if not principal.may(ACTION, resource.id):
            raise ArmError(403, "Forbidden", f"The client has no permission to perform action '{ACTION}' on {place}.")
        document = request.json()
        moment = self._moment(document)
        namespace, metric, points = _points(document, moment)
        self.known[key(resource.id), namespace.lower(), metric.lower()] += points
        return Answer(200)

    def of(self, resource: str, namespace: str, metric: str) -> list[Point]:
        """Return the points of a resource's metric."""
        return self.known.get((key(resource), namespace.lower(), metric.lower()), [])

    def _moment(self, document: Json) -> float:
        try:
            moment = seconds_of(str(document.get("time")))
        except ValueError as error:
            raise errors.invalid("The field 'time' is missing or no time.", "BadRequest") from error
        now = self.world.clock.now()
        if not now - OLDEST <= moment <= now + NEWEST:
            raise errors.invalid(
                "The time of the metric is not within 20 minutes before and 4 after now.", "BadRequest"
            )
        return moment


def call_of(request: Request) -> Call:
    """Name a request for the faults."""
    return Call("insights", f"{request.method} metrics", request.body)


def _points(document: Json, moment: float) -> tuple[str, str, list[Point]]:
    """Return namespace, metric and points of a document."""
    try:
        base = document["data"]["baseData"]
        names = [str(name) for name in base.get("dimNames") or ()]
        points = list(_series(base["series"], names, moment))
        return str(base["namespace"]), str(base["metric"]), points
    except (KeyError, TypeError, ValueError) as error:
        raise errors.invalid(f"The document has not the form of a metric: {error}.", "BadRequest") from error


def _series(series: list[Any], names: list[str], moment: float) -> Iterator[Point]:
    for one in series:
        values = [str(value) for value in one.get("dimValues") or ()]
        dimensions = dict(zip(names, values, strict=True))
        if one["count"] < 1 or not one["min"] <= one["sum"] / one["count"] <= one["max"]:
            raise ValueError("sum and count contradict min and max")
        yield Point(moment, dimensions, float(one["sum"]) / one["count"])
