"""Constant-rate load in which every failure is counted with its time.

Page loads, clones and pushes begin when they are due, whether earlier ones have ended or not (an open loop), so a stall
of the cluster cannot hide behind clients that wait. Afterwards every acknowledged push is looked for.
The command line, the files and the report: docs/reference/lab-traffic.md.
"""

from lab.traffic.commands import NoRun, NotLoadable, NotStarted, Running, report, start, stop
from lab.traffic.report import Failure, KindReport, Push, Sample, TrafficReport
from lab.traffic.settings import Target

__all__ = [
    "Failure",
    "KindReport",
    "NoRun",
    "NotLoadable",
    "NotStarted",
    "Push",
    "Running",
    "Sample",
    "Target",
    "TrafficReport",
    "report",
    "start",
    "stop",
]
