"""The cluster, asked through its load balancer (``ports.bitbucket.Bitbucket``)."""

from __future__ import annotations

from automation.adapters.bitbucket import answers, shapes
from automation.adapters.bitbucket.client import Client
from automation.core.cluster import Cluster
from automation.ports.bitbucket import Application, HealthCheck, Licence, MeshNode
from automation.ports.errors import NotFound, Unavailable, Unexpected

API = "/rest/api/latest"
APPS = "/rest/plugins/1.0/product-updates"
_PAGE = 1000
"""Values asked for at once; Bitbucket gives no more."""


class BitbucketRest:
    """Implements ``ports.bitbucket.Bitbucket`` over REST."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def calls(self) -> int:
        """Requests sent so far, retries included."""
        return self._client.calls

    def cluster(self) -> Cluster:
        """GET /rest/zdu/cluster."""
        return shapes.cluster(self._client.get("/rest/zdu/cluster"))

    def start_upgrade(self) -> None:
        """POST /rest/zdu/start, once. Unavailable means that it may have happened: look at ``cluster()``."""
        self._client.post("/rest/zdu/start")

    def cancel_upgrade(self) -> None:
        """POST /rest/zdu/cancel, once. Unavailable means that it may have happened: look at ``cluster()``."""
        self._client.post("/rest/zdu/cancel")

    def approve_upgrade(self) -> None:
        """POST /rest/zdu/approve, once. Unavailable means that it may have happened: look at ``cluster()``."""
        self._client.post("/rest/zdu/approve")

    def application(self) -> Application:
        """GET application-properties, which asks for no credentials."""
        return shapes.application(self._client.get(f"{API}/application-properties", anonymous=True))

    def status(self) -> str | None:
        """GET /status, and read the body: MAINTENANCE and FIRST_RUN come with HTTP 200 too.

        No credentials go there: outside /rest newer versions refuse a token, and repeated refusals lock the account.
        """
        try:
            return shapes.status(answers.parse(self._client.raw("/status").text))
        except Unavailable:
            return None

    def licence(self) -> Licence:
        """GET admin/license."""
        try:
            return shapes.licence(self._client.get(f"{API}/admin/license"))
        except NotFound as error:
            raise NotFound("Bitbucket has no licence", hint="apply a Data Center licence first") from error

    def health_checks(self) -> tuple[HealthCheck, ...]:
        """GET the health checks of Atlassian's troubleshooting app."""
        try:
            answer = self._client.get("/rest/troubleshooting/1.0/check/")
        except NotFound:
            return ()
        return tuple(shapes.health_check(item) for item in shapes.items(answer, "statuses"))

    def incompatible_apps(self, target: str) -> tuple[str, ...] | None:
        """Ask the app manager, which asks Atlassian's marketplace: without Internet access it cannot tell."""
        try:
            build = shapes.build_of(self._client.get(f"{APPS}/"), target)
            if build is None:
                return None
            return shapes.apps_left_behind(self._client.get(f"{APPS}/{build}/compatibility"))
        except (NotFound, Unexpected, Unavailable):
            return None

    def mesh_nodes(self) -> tuple[MeshNode, ...]:
        """GET admin/git/mesh/nodes."""
        try:
            answer = self._client.get(f"{API}/admin/git/mesh/nodes")
        except NotFound:
            return ()
        return tuple(shapes.mesh_node(item) for item in shapes.items(answer, "values", "nodes"))

    def inconsistent_replicas(self) -> int:
        """GET the list of Mesh repositories whose replicas differ, page by page or as a plain list."""
        path = "/rest/ui/latest/admin/git/mesh/inconsistent-replicas"
        try:
            answer = self._client.get(path)
        except NotFound:
            return 0
        return len(shapes.items(answer)) if isinstance(answer, list) else self._count(path)

    def repositories(self) -> int:
        """GET every page of the repositories, and count."""
        return self._count(f"{API}/repos")

    def _count(self, path: str) -> int:
        total, start, seen = 0, 0, -1
        while start > seen:  # a page that leads back to itself would be read for ever
            found, following = shapes.page(self._client.get(f"{path}?limit={_PAGE}&start={start}"), f"GET {path}")
            total += found
            if following is None:
                return total
            seen, start = start, following
        raise Unexpected(f"GET {path}: the page at {seen} is followed by the one at {start}")
