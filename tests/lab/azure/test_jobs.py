"""Jobs of Container Apps in virtual time: when they are due, what they run, and in whose name."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest
from azure.identity import CredentialUnavailableError, ManagedIdentityCredential

from lab.azure import crons
from lab.azure.world import GROUP, SUBSCRIPTION, TENANT
from tests.lab.azure.estate import Estate

HOUR = 3600.0
PLACE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers"
ENVIRONMENT, JOB = f"{PLACE}/Microsoft.App/managedEnvironments/env", f"{PLACE}/Microsoft.App/jobs/backup"
VERSION = "?api-version=2025-01-01"
WHO = f"{PLACE}/Microsoft.ManagedIdentity/userAssignedIdentities/backup"
VAULT = f"{PLACE}/Microsoft.KeyVault/vaults/bb"
READS_SECRETS = "4633458b-17de-408a-b874-0445c86b69e6"
WRITES = 'printf \'%s \' "$GREETING" "$PASSWORD" "$CONTAINER_APP_JOB_NAME" "${BBDC_CLUSTER:-none}"; exit 3'


class Hands:
    """A subscription with an environment, an identity, and a vault with one secret."""

    def __init__(self, estate: Estate) -> None:
        self.estate, self.world = estate, estate.world
        self.who = self._put(WHO, {}, "2023-01-31")["properties"]
        self._put(VAULT, {"properties": {"tenantId": TENANT}}, "2023-07-01")
        self.vault = str(self.world.resources.get(VAULT).properties["vaultUri"])
        self._put(f"{VAULT}/secrets/password", {"properties": {"value": "correct-horse"}}, "2023-07-01")
        self._put(ENVIRONMENT, {"properties": {}})

    def _put(self, place: str, body: dict[str, Any], version: str = "2025-01-01") -> dict[str, Any]:
        found: dict[str, Any] = self.estate.send(
            "PUT", f"{place}?api-version={version}", {"location": "westeurope"} | body
        )
        return found

    def may_read(self) -> None:
        """Let the identity read the secret."""
        role = f"/subscriptions/{SUBSCRIPTION}/providers/Microsoft.Authorization/roleDefinitions/{READS_SECRETS}"
        body = {"properties": {"principalId": self.who["principalId"], "roleDefinitionId": role}}
        self._put(f"{VAULT}/secrets/password/providers/Microsoft.Authorization/roleAssignments/one", body, "2022-04-01")

    def job(self, command: list[str], *, cron: str = "0 * * * *", **more: Any) -> dict[str, Any]:
        """A job's document."""
        container = {
            "name": "bbdc",
            "image": "bbdc:1",
            "command": command[:1],
            "args": command[1:],
            "env": [{"name": "GREETING", "value": "hello"}, *more.pop("env", ())],
            **more.pop("container", {}),
        }
        configuration = {
            "triggerType": "Schedule",
            "replicaTimeout": 600,
            "scheduleTriggerConfig": {"cronExpression": cron},
            **more,
        }
        return {
            "identity": {"type": "UserAssigned", "userAssignedIdentities": {WHO: {}}},
            "properties": {
                "environmentId": ENVIRONMENT,
                "configuration": configuration,
                "template": {"containers": [container]},
            },
        }

    def make(self, command: list[str], **more: Any) -> None:
        self._put(JOB, self.job(command, **more))
        self.pass_time(0)

    def refused(self, body: dict[str, Any]) -> str:
        answer = self.estate.call("PUT", f"{JOB}{VERSION}", {"location": "westeurope"} | body)
        return str(answer.json()["error"]["code"])

    def secret(self, name: str = "password") -> dict[str, Any]:
        """A secret by reference, and the variable that shows it."""
        return {
            "secrets": [{"name": "pw", "keyVaultUrl": f"{self.vault}secrets/{name}", "identity": WHO}],
            "env": [{"name": "PASSWORD", "secretRef": "pw"}],
        }

    def pass_time(self, seconds: float) -> None:
        self.estate.clock.advance(seconds)
        with self.world.lock:
            self.world.advance()

    def executions(self) -> list[dict[str, Any]]:
        return list(self.estate.send("GET", f"{JOB}/executions{VERSION}")["value"])

    def ended(self) -> dict[str, Any]:
        """Wait for every process, as the operating system tells of it; return the newest execution."""
        while running := list(self.world.executions.running):
            running[0].process.wait(30)
            self.pass_time(0)
        return self.executions()[-1]

    def log(self) -> str:
        return self.world.executions.log(self.executions()[-1]["name"])


@pytest.fixture
def hands(estate: Estate) -> Iterator[Hands]:
    estate.clock.advance(HOUR - estate.clock.seconds % HOUR)
    made = Hands(estate)
    yield made
    estate.send("DELETE", f"{JOB}{VERSION}")
    estate.call("DELETE", f"{VAULT}/secrets/password/providers/Microsoft.Authorization/roleAssignments/one{VERSION}")


def test_a_job_is_started_when_it_is_due_and_not_before(hands: Hands) -> None:
    hands.make(["true"])
    hands.pass_time(HOUR - 1)
    assert hands.executions() == []
    hands.pass_time(1)
    execution = hands.ended()
    assert execution["properties"]["status"] == "Succeeded"
    assert "provisioningState" not in execution["properties"]
    hands.pass_time(2 * HOUR)
    assert len(hands.executions()) == 3
    hands.ended()


def test_a_replica_has_its_containers_environment_and_its_secrets(hands: Hands) -> None:
    hands.may_read()
    hands.make(["sh", "-c", WRITES], **hands.secret())
    assert "correct-horse" not in str(hands.estate.send("GET", f"{JOB}{VERSION}"))
    hands.pass_time(HOUR)
    assert hands.ended()["properties"]["status"] == "Failed"  # exit code 3
    assert hands.log() == "hello correct-horse backup none "


def test_bbdc_is_this_checkouts_own_and_a_job_can_be_started_by_hand(hands: Hands) -> None:
    hands.make(["bbdc", "--version"], cron="0 1 1 1 *")
    started = hands.estate.send("POST", f"{JOB}/start{VERSION}")
    assert hands.ended()["name"] == started["name"]
    assert hands.executions()[0]["properties"]["status"] == "Succeeded", hands.log()


def test_a_replica_that_failed_is_tried_again_so_often_and_no_more(hands: Hands) -> None:
    hands.make(["sh", "-c", "echo x >> tries; exit 1"], replicaRetryLimit=2)
    hands.pass_time(HOUR)
    execution = hands.ended()
    home = hands.world.executions.directory / execution["name"]
    assert (execution["properties"]["status"], (home / "tries").read_text()) == ("Failed", "x\nx\nx\n")


def test_a_replica_gets_its_time_and_no_more(hands: Hands) -> None:
    hands.make(["sh", "-c", "exec sleep 600"])
    hands.pass_time(HOUR)
    hands.pass_time(599)
    assert [one["properties"]["status"] for one in hands.executions()] == ["Running"]
    hands.pass_time(1)
    assert hands.ended()["properties"]["status"] == "Failed"


def test_an_execution_that_is_stopped_gets_term_and_then_kill(hands: Hands) -> None:
    hands.make(["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.05; done"])
    hands.pass_time(HOUR)
    (running,) = hands.executions()
    deadline = time.monotonic() + 30
    while "ready" not in hands.log():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    hands.estate.send("POST", f"{running['id']}/stop{VERSION}")
    hands.pass_time(29)
    assert hands.executions()[0]["properties"]["status"] == "Running"
    hands.pass_time(1)
    assert hands.ended()["properties"]["status"] == "Stopped"


def test_a_job_that_was_changed_or_is_gone_makes_nothing_up(hands: Hands) -> None:
    hands.make(["true"], cron="30 * * * *")
    hands.pass_time(20 * 60)
    hands.make(["true"], cron="10 * * * *")
    hands.pass_time(45 * 60)
    assert hands.executions() == []
    hands.estate.send("DELETE", f"{JOB}{VERSION}")
    hands.pass_time(2 * HOUR)
    hands.make(["true"], cron="10 * * * *")
    assert hands.executions() == []


def test_an_identity_signs_in_as_the_sdk_does_in_container_apps(hands: Hands, monkeypatch: pytest.MonkeyPatch) -> None:
    hands.make(["sh", "-c", "exec sleep 60"])
    hands.pass_time(HOUR)
    (replica,) = hands.world.executions.running
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{hands.world.executions.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", replica.header)
    assert hands.estate.call("GET", f"{JOB}{VERSION}", token=token(hands)).status_code == 403  # it has no right
    with pytest.raises(CredentialUnavailableError, match="Token request error"):
        token(hands, "somebody-else")
    monkeypatch.setenv("IDENTITY_HEADER", "guessed")
    with pytest.raises(CredentialUnavailableError, match="Token request error"):
        token(hands)


def token(hands: Hands, client: str = "") -> str:
    """Sign in as the SDK does."""
    transport = hands.estate.clients.transport()
    with ManagedIdentityCredential(client_id=client or hands.who["clientId"], transport=transport) as credential:
        return credential.get_token("https://management.azure.com/.default").token


def test_a_secret_that_the_identity_may_not_read_is_refused_with_the_job(hands: Hands) -> None:
    body = hands.job(["true"], **hands.secret())
    assert hands.refused(body) == "ContainerAppSecretKeyVaultUrlInvalid"
    hands.may_read()
    assert hands.refused(hands.job(["true"], **hands.secret("gone"))) == "ContainerAppSecretKeyVaultUrlInvalid"
    del body["identity"]
    assert hands.refused(body) == "ContainerAppSecretKeyVaultUrlInvalid"


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"cron": "every night"}, "ContainerAppJobInvalidCronExpression"),
        ({"cron": "0 1 * * ? *"}, "ContainerAppJobInvalidCronExpression"),
        ({"cron": "0 24 * * *"}, "ContainerAppJobInvalidCronExpression"),
        ({"replicaTimeout": None}, "ContainerAppJobInvalidReplicaTimeout"),
        ({"triggerType": "Nightly"}, "ContainerAppJobInvalidTriggerType"),
        ({"env": [{"name": "X", "secretRef": "none"}]}, "ContainerAppSecretRefNotFound"),
        ({"container": {"resources": {"cpu": 0.5, "memory": "2Gi"}}}, "ContainerAppInvalidResourceTotal"),
    ],
)
def test_what_azure_refuses_of_a_job(hands: Hands, more: dict[str, Any], code: str) -> None:
    assert hands.refused(hands.job(["true"], **more)) == code


def test_an_environment_needs_a_subnet_of_its_own(hands: Hands) -> None:
    place = f"{PLACE}/Microsoft.App/managedEnvironments/inside{VERSION}"

    def code(subnet: str) -> str:
        body = {"location": "westeurope", "properties": {"vnetConfiguration": {"infrastructureSubnetId": subnet}}}
        answer = hands.estate.call("PUT", place, body)
        return str(answer.json().get("error", {}).get("code"))

    assert code(hands.estate.subnet) == "ManagedEnvironmentSubnetDelegationError"
    delegations = [{"name": "apps", "properties": {"serviceName": "Microsoft.App/environments"}}]
    network = hands.estate.subnet.rpartition("/subnets/")[0]
    for name, prefix in (("small", "10.0.1.0/28"), ("large", "10.0.1.32/27")):
        body = {"properties": {"addressPrefix": prefix, "delegations": delegations}}
        hands.estate.send("PUT", f"{network}/subnets/{name}?api-version=2024-05-01", body)
    assert code(f"{network}/subnets/small") == "InvalidSubnetSize"
    assert code(f"{network}/subnets/large") == "None"
    assert hands.estate.call("DELETE", f"{ENVIRONMENT}{VERSION}").status_code == 200
    hands.estate.send("PUT", f"{ENVIRONMENT}{VERSION}", {"location": "westeurope"})


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("0 1 * * *", [1, 25, 49]),
        ("0 */8 * * *", [8, 16, 24]),
        ("0 12 * * SUN", [12, 180, 348]),
        ("0 12 * * 7", [12, 180, 348]),
        ("0 12 2 * MON", [36, 84, 204]),
    ],
)
def test_five_fields_say_when(text: str, hours: list[int]) -> None:
    moment = start = 1_795_910_400.0  # Sunday, 2026-11-29, 00:00 UTC
    found = []
    for _ in hours:
        due = crons.parse(text).after(moment, start)
        assert due is not None
        moment = due
        found.append((due - start) / HOUR)
    assert found == hours
