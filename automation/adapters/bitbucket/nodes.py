"""Single nodes, asked at their own address (``ports.bitbucket.Nodes``).

RUNNING is not joined: a node that found nobody runs alone against the shared database and says RUNNING too. Only its
own list of members tells.
"""

from __future__ import annotations

from automation.adapters.bitbucket import answers, shapes
from automation.adapters.bitbucket.client import HEADERS
from automation.adapters.http import Http
from automation.adapters.logs import Redactor
from automation.core.cluster import OwnView
from automation.ports.clock import Clock
from automation.ports.errors import NotFound, Unavailable, Unexpected, Unreachable

MEMBERS = "/rest/api/latest/admin/cluster"


class NodeViews:
    """Implements ``ports.bitbucket.Nodes``; no retries, the engine's next pass asks again anyway."""

    def __init__(self, http: Http, template: str, clock: Clock, redactor: Redactor) -> None:
        """Take the address template, such as ``http://{address}:7990``, context path included."""
        self._http = http
        self._template = template.rstrip("/")
        self._clock = clock
        self._redactor = redactor

    @property
    def calls(self) -> int:
        """Requests sent so far."""
        return self._http.calls

    def view(self, address: str) -> OwnView:
        """Return what the node says of itself; see ``ports.bitbucket.Nodes.view``."""
        base = self._template.format(address=f"[{address}]" if ":" in address else address)
        status = self._status(base)
        return OwnView(status, self._members(base) if status == "RUNNING" else None)

    def _status(self, base: str) -> str | None:
        try:
            answer = self._http.send("GET", f"{base}/status", headers=HEADERS, anonymous=True)
        except (Unavailable, Unreachable, Unexpected):
            return None
        return shapes.status(answers.parse(answer.text))

    def _members(self, base: str) -> frozenset[str] | None:
        """Ask for the member list; a node that is still starting, or cannot say, says None."""
        url = base + MEMBERS
        try:
            answer = self._http.send("GET", url, headers=HEADERS)
            return shapes.members(answers.value(answer, f"GET {url}", now=self._clock.now(), redactor=self._redactor))
        except (Unavailable, Unreachable, Unexpected, NotFound):
            return None
