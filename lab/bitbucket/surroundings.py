"""What preflight asks a Bitbucket beside the upgrade API: licence, apps, health checks, Mesh, mirrors, banner."""

from __future__ import annotations

from dataclasses import dataclass, field

from lab.bitbucket.model import Cluster
from lab.bitbucket.records import Json, Reply, build_number, errors, release

_DAY = 86_400.0
_SERVER_ID = "BLAB-0000-0000-0001"


@dataclass(slots=True)
class Surroundings:
    """Small state that belongs to the cluster and that the upgrade does not touch."""

    cluster: Cluster
    banner: Json | None = None
    mirrors: Json = field(default_factory=lambda: {"rollingUpgradeEnabled": False, "version": None})

    def licence(self, now: float, users: int) -> Reply:
        """GET /rest/api/latest/admin/license; 404 when there is none."""
        settings, faults = self.cluster.settings, self.cluster.faults
        if faults.on("no_licence"):
            return errors(404, "No license has been set.", "com.atlassian.bitbucket.license.NoSuchLicenseException")
        expires = now - _DAY if faults.on("licence_expired") else settings.licence_expires
        shown: Json = {
            "maximumNumberOfUsers": settings.licence_users,
            "unlimitedNumberOfUsers": settings.licence_users is None,
            "supportEntitlementNumber": "SEN-LAB",
            "status": {"serverId": _SERVER_ID, "currentNumberOfUsers": users},
        }
        if expires is not None:
            milliseconds = round(expires * 1000)
            days = int((expires - now) // _DAY)
            shown |= {"expiryDate": milliseconds, "maintenanceExpiryDate": milliseconds}
            shown |= {"numberOfDaysBeforeExpiry": days, "numberOfDaysBeforeMaintenanceExpiry": days}
        return Reply(200, shown)

    def mesh(self, now: float) -> list[Json]:
        """GET /rest/api/latest/admin/git/mesh/nodes."""
        down = self.cluster.faults.on("mesh_offline")
        count = max(self.cluster.settings.mesh_nodes, int(down.params["mesh"]) if down else 0)
        return [
            self._mesh_node(n, offline=bool(down and down.params["mesh"] == n), now=now) for n in range(1, count + 1)
        ]

    def _mesh_node(self, number: int, *, offline: bool, now: float) -> Json:
        return {
            "id": str(number),
            "name": f"mesh-{number}",
            "rpcUrl": f"http://mesh-{number}.invalid:7777",
            "state": "OFFLINE" if offline else "AVAILABLE",
            "offline": offline,
            "lastSeenDate": round((now - (600.0 if offline else 0.0)) * 1000),
            "availabilityZone": None,
        }

    def inconsistent_replicas(self) -> list[Json]:
        """GET /rest/ui/latest/admin/git/mesh/inconsistent-replicas; the shape of one line is inferred."""
        broken = self.cluster.faults.on("mesh_inconsistent")
        count = int(broken.params["repositories"]) if broken else 0
        return [
            {"repository": {"id": number}, "replicas": [{"meshNodeId": "1", "state": "INCONSISTENT"}]}
            for number in range(1, count + 1)
        ]

    def mirror_servers(self) -> list[Json]:
        """GET /rest/mirroring/latest/mirrorServers."""
        return [
            {"id": f"mirror-{n}", "name": f"mirror-{n}", "baseUrl": f"http://mirror-{n}.invalid", "enabled": True}
            for n in range(1, self.cluster.settings.mirror_servers + 1)
        ]

    def health(self, now: float) -> Json:
        """GET /rest/troubleshooting/1.0/check/."""
        broken = self.cluster.faults.on("health_check")
        names = dict.fromkeys(("Database", "Search", "Disk space", "Cluster clock skew"), "undefined")
        if broken:
            names[broken.params["name"]] = broken.params["severity"]
        failing = broken.params["name"] if broken else None
        return {"statuses": [self._check(name, severity, name == failing, now) for name, severity in names.items()]}

    def _check(self, name: str, severity: str, failing: bool, now: float) -> Json:  # noqa: FBT001 -- private
        key = name.lower().replace(" ", "-")
        return {
            "name": name,
            "description": f"Checks the {name.lower()}",
            "isHealthy": not failing,
            "failureReason": f"The check of the {name.lower()} found a problem." if failing else "",
            "severity": severity,
            "completeKey": f"com.atlassian.bitbucket.troubleshooting:{key}",
            "tag": "Supported Platforms",
            "documentation": "",
            "time": round(now * 1000),
        }

    def updates(self, running: str) -> Json:
        """GET /rest/plugins/1.0/product-updates/: bug-fix versions above the running one."""
        major, minor, fix = release(running)
        versions = [f"{major}.{minor}.{higher}" for higher in range(fix + 1, fix + 6)]
        return {"versions": [_update(version, recent=version == versions[-1]) for version in versions]}

    def compatibility(self, build: str) -> Json:
        """GET /rest/plugins/1.0/product-updates/{buildNumber}/compatibility."""
        broken = self.cluster.faults.on("incompatible_app")
        return {
            "compatible": [_app("Support Tools", build)],
            "updateRequired": [],
            "updateRequiredAfterProductUpdate": [],
            "incompatible": [_app(str(broken.params["name"]), build)] if broken else [],
            "unknown": [],
        }

    def set_banner(self, banner: Json) -> Reply:
        """PUT /rest/api/latest/admin/banner."""
        if not isinstance(banner.get("message"), str) or banner.get("audience", "ALL") not in ("ALL", "AUTHENTICATED"):
            return errors(400, "A banner needs a message and a known audience.", context="message")
        self.banner = {"audience": banner.get("audience", "ALL"), "message": banner["message"]}
        self.banner["enabled"] = bool(banner.get("enabled", True))
        return Reply(204)

    def switch_mirrors(self, version: str, *, on: bool) -> Json:
        """POST /rest/mirroring/latest/zdu/start and /end."""
        self.mirrors = {"rollingUpgradeEnabled": on, "version": version}
        return self.mirrors


def _update(version: str, *, recent: bool) -> Json:
    build = build_number(version)
    link = f"/rest/plugins/1.0/product-updates/{build}/compatibility"
    return {"version": version, "recent": recent, "links": {"compatibility": link}}


def _app(name: str, build: str) -> Json:
    key = "com.example." + name.lower().replace(" ", "-")
    return {"key": key, "name": name, "enabled": True, "links": {"self": f"/rest/plugins/1.0/{key}-key?build={build}"}}
