"""What a run is told: DIR/traffic/<run>.json, and who it is, from its environment (never from arguments)."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True, slots=True, repr=False)
class Target:
    """The Bitbucket that is loaded, and who loads it. Never shown: it holds secrets."""

    url: str
    user: str
    password: str
    token: str | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read BITBUCKET_URL, BITBUCKET_USER, BITBUCKET_PASSWORD and BITBUCKET_TOKEN (the last may be missing).

        Raises:
            KeyError: one is missing.
        """
        return cls(
            environment["BITBUCKET_URL"].rstrip("/"),
            environment["BITBUCKET_USER"],
            environment["BITBUCKET_PASSWORD"],
            environment.get("BITBUCKET_TOKEN") or None,
        )

    def to_environment(self) -> dict[str, str]:
        """Return what ``from_environment`` reads."""
        names = {"BITBUCKET_URL": self.url, "BITBUCKET_USER": self.user, "BITBUCKET_PASSWORD": self.password}
        return names | ({"BITBUCKET_TOKEN": self.token} if self.token else {})

    @property
    def basic(self) -> str:
        """The Authorization header of a user who gives name and password."""
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()

    @property
    def bearer(self) -> str:
        """The Authorization header of a program: the token when there is one."""
        return f"Bearer {self.token}" if self.token else self.basic


@dataclass(frozen=True, slots=True)
class Settings:
    """One run. Rates are per second."""

    run: str
    lab: str
    """The lab directory."""
    rate: float
    """Page loads and REST lists."""
    clones: float
    pushes: float
    seconds: float | None
    """How long the load lasts; None: until it is told to stop."""
    sessions: int
    """People with cookies of their own."""
    seed: int

    @property
    def folder(self) -> Path:
        """DIR/traffic/<run>: summary.json, pushes.jsonl, traffic.log."""
        return Path(self.lab) / "traffic" / self.run

    @property
    def work(self) -> Path:
        """Clones of this run, removed at its end."""
        return Path(self.lab) / "traffic" / "work" / self.run

    @property
    def file(self) -> Path:
        """DIR/traffic/<run>.json."""
        return Path(self.lab) / "traffic" / f"{self.run}.json"

    def write(self) -> None:
        """Make the run's folder and write its file."""
        self.folder.mkdir(parents=True)
        self.file.write_text(json.dumps(asdict(self), indent=1))

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a run's file."""
        return cls(**json.loads(path.read_text()))
