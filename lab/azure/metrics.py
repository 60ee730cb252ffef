"""Azure Monitor: CPU figures of machines, alone or of a whole scale set, and custom metrics of any resource."""

from __future__ import annotations

import datetime as dt
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import unquote

from lab.azure import errors
from lab.azure.instances import Instance
from lab.azure.kinds import Kind
from lab.azure.messages import Json, Request
from lab.azure.operations import iso, seconds_of
from lab.azure.paths import Target, key

if TYPE_CHECKING:
    from lab.azure.world import AzureWorld

METRICS = "Microsoft.Insights/metrics"
CPU = "Percentage CPU"
KEPT = 2 * 3600.0
"""Seconds for which figures are kept."""
UNITS = {"S": 1, "M": 60, "H": 3600}


@dataclass(slots=True)
class Figures:
    """Where measured figures go in.

    Attributes:
        world: where the machines are.
        known: id of the VM, in lower case -> (time, percent), oldest first.
    """

    world: AzureWorld
    known: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))

    def cpu(self, machine: str, percent: float) -> None:
        """Record the CPU of a machine for now; hold the world's lock. Nothing happens for a machine that is gone."""
        instance = self.world.instances.of_machine(machine)
        if instance is None:
            return
        now = self.world.clock.now()
        figures = self.known[key(instance.resource.id)]
        figures.append((now, percent))
        if figures[0][0] < now - KEPT:
            figures[:] = [one for one in figures if one[0] >= now - KEPT]

    def of(self, instance: Instance) -> list[tuple[float, float]]:
        """Return what was recorded of an instance."""
        return self.known.get(key(instance.resource.id), [])


@dataclass(slots=True)
class Metrics(Kind):
    """The metrics of any resource."""

    versions: ClassVar[tuple[str, str]] = ("2016-09-01", "2024-02-01")

    def listing(self, target: Target, request: Request) -> Json:
        """Answer with one series, of the resource and everything below it."""
        resource = self.world.resources.get(target.scope)
        name = request.query.get("metricnames", CPU)
        namespace = request.query.get("metricnamespace", resource.target.kind)
        if namespace.lower() != resource.target.kind.lower():
            return self._custom(target, request, namespace, name)
        if name.lower() != CPU.lower():
            message = f"Failed to find metric configuration for provider: {resource.target.kind}, metric: {name}"
            raise errors.ArmError(400, "BadRequest", message)
        start, end = self._span(request)
        step = _seconds(request.query.get("interval", "PT1M"))
        figures = [one for part in self._instances(target.scope, request) for one in self.world.figures.of(part)]
        inside = [(moment, value) for moment, value in figures if start <= moment <= end]
        return _answer(target, name, inside, (start, end, step))

    def _custom(self, target: Target, request: Request, namespace: str, name: str) -> Json:
        """Answer with the series of a metric that somebody sent."""
        known = self.world.custom_metrics.of(target.scope, namespace, name)
        if not known:
            message = f"Failed to find metric configuration for namespace: {namespace}, metric: {name}"
            raise errors.ArmError(400, "BadRequest", message)
        start, end = self._span(request)
        wanted = re.findall(r"(\w+) eq '([^']*)'", request.query.get("$filter", ""))
        figures = [
            (one.moment, one.value)
            for one in known
            if start <= one.moment <= end and all(value in {one.dimensions.get(dim), "*"} for dim, value in wanted)
        ]
        step = _seconds(request.query.get("interval", "PT1M"))
        return _answer(target, name, figures, (start, end, step), "Unspecified")

    def _span(self, request: Request) -> tuple[float, float]:
        span, now = request.query.get("timespan"), self.world.clock.now()
        if not span:
            return now - 3600, now
        try:
            start, end = (seconds_of(part) for part in unquote(span).split("/"))  # some clients escape it twice
        except ValueError as error:
            raise errors.ArmError(400, "BadRequest", f"Invalid time span {span}") from error
        return start, end

    def _instances(self, scope: str, request: Request) -> Iterator[Instance]:
        wanted = re.search(r"VMName eq '([^']*)'", request.query.get("$filter", ""), re.IGNORECASE)
        for instance in self.world.instances.all():
            names = {"_".join(instance.resource.target.names), "*"}
            inside = f"{key(instance.resource.id)}/".startswith(f"{key(scope)}/")
            if inside and (wanted is None or wanted[1] in names):
                yield instance


def _answer(
    target: Target,
    name: str,
    figures: list[tuple[float, float]],
    span: tuple[float, float, float],
    unit: str = "Percent",
) -> Json:
    start, end, step = span
    groups: dict[float, list[float]] = defaultdict(list)
    for moment, value in figures:
        groups[moment - moment % step].append(value)
    data = [
        {"timeStamp": iso(moment), "average": sum(values) / len(values), "minimum": min(values), "maximum": max(values)}
        for moment, values in sorted(groups.items())
    ]
    metric = {
        "id": f"{target.scope}/providers/{METRICS}/{name}",
        "type": METRICS,
        "name": {"value": name, "localizedValue": name},
        "unit": unit,
        "timeseries": [{"metadatavalues": [], "data": data}] if data else [],
        "errorCode": "Success",
    }
    interval = f"PT{int(step)}S"
    return {"cost": 0, "timespan": f"{iso(start)}/{iso(end)}", "interval": interval, "value": [metric]}


def _seconds(interval: str) -> float:
    found = re.fullmatch(r"PT(\d+)([SMH])", interval)
    if found is None:
        raise errors.ArmError(400, "BadRequest", f"Invalid interval {interval}")
    return dt.timedelta(seconds=int(found[1]) * UNITS[found[2]]).total_seconds()
