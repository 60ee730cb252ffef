"""Commands against the simulated estate, living three hundred times faster than the machine's clock."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from automation import bootstrap
from automation.cli.__main__ import run
from lab.sim.clock import VirtualClock
from lab.sim.estate import Estate
from lab.sim.settings import SimSettings

PACE = 300.0
"""Seconds of the estate in one second of the machine."""


class FastClock(VirtualClock):
    """Moves with the machine's clock, ``PACE`` times as fast; the estate lives whenever somebody looks."""

    def start(self) -> None:
        self._real, self._base, self._lock = time.monotonic(), super().now(), threading.Lock()

    def now(self) -> float:
        if hasattr(self, "_real"):
            with self._lock:
                ahead = self._base + (time.monotonic() - self._real) * PACE - super().now()
                if ahead > 0:
                    super().sleep(ahead)
        return super().now()

    def sleep(self, seconds: float) -> None:
        if not hasattr(self, "_real"):
            super().sleep(seconds)
        elif seconds > 0:
            time.sleep(seconds)
            self.now()


@dataclass(frozen=True)
class Told:
    """What one command line said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


Bbdc = Callable[..., Told]


@pytest.fixture
def bbdc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Bbdc:
    for name, value in {
        "BBDC_STATE": str(tmp_path / "state"),
        "BBDC_CLUSTER": "sim",
        "BBDC_PROJECT": str(tmp_path),
        "BITBUCKET_URL": "https://bitbucket.example",
        "BITBUCKET_TOKEN": "t0p-secret-token",
        "BBDC_BY": "ada",
        "BBDC_ROLL__POLL": "0.02",
        "BBDC_ROLL__SOAK": "10",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("PULUMI_STACK", raising=False)

    def call(*words: str) -> Told:
        capsys.readouterr()
        logging.getLogger("dbos").handlers.clear()  # they hold the standard error of the test before
        code = run(words)
        out, err = capsys.readouterr()
        return Told(code, out, err)

    return call


@pytest.fixture
def estate(monkeypatch: pytest.MonkeyPatch) -> Estate:
    monkeypatch.setattr("lab.sim.estate.VirtualClock", FastClock)
    made = Estate(SimSettings(nodes=3), seed=3)
    assert isinstance(made.clock, FastClock)
    made.clock.start()
    monkeypatch.setattr(bootstrap, "build", lambda *_args, **_options: made.world)
    return made
