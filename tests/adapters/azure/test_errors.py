"""Azure's errors become ours in one place: made by hand, and met on the lab's Azure with the SDKs as they are."""

from __future__ import annotations

import json
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from azure.core import exceptions as azure
from azure.core.exceptions import HttpResponseError

from automation.adapters.azure.errors import translate
from automation.adapters.azure.nodes import AzureGroup
from automation.adapters.azure.session import Azure
from automation.ports.errors import (
    Conflict,
    Forbidden,
    NotAuthenticated,
    NotFound,
    Refused,
    Throttled,
    Unavailable,
    Unexpected,
    Unreachable,
)
from lab.azure.world import GROUP
from tests.adapters.azure.roll_world import Rolling
from tests.contracts.azure import WorldClock
from tests.contracts.azure_estate import CLUSTER

DENIED = (
    "The client 'x' does not have authorization to perform action "
    "'Microsoft.Compute/virtualMachineScaleSets/write' over scope '/subscriptions/s' or the scope is invalid."
)
CORES = "Operation could not be completed as it results in exceeding approved Total Regional Cores quota."


def answered(code: str, message: str = "", status: int = 400, headers: Any = None) -> HttpResponseError:
    text = json.dumps({"error": {"code": code, "message": message}})
    response = SimpleNamespace(
        status_code=status, reason="", headers=headers or {}, text=lambda *_: text, body=text.encode
    )
    return HttpResponseError(response=response)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (answered("AuthorizationFailed", DENIED, 403), Forbidden),
        (answered("LinkedAuthorizationFailed", DENIED, 403), Forbidden),
        (answered("InvalidAuthenticationToken", "expired", 401), NotAuthenticated),
        (answered("ResourceNotFound", "", 404), NotFound),
        (answered("ResourceGroupNotFound", "", 404), NotFound),
        (answered("InvalidParameter", "instanceId 7 is not an active Virtual Machine Scale Set VM"), NotFound),
        (answered("Conflict", "", 409), Conflict),
        (answered("PreconditionFailed", "", 412), Conflict),
        (answered("Canceled", "superseded", 200), Conflict),
        (answered("OperationNotAllowed", "it is protected", 409), Conflict),
        (answered("OperationNotAllowed", CORES, 409), Refused),
        (answered("ZonalAllocationFailed", "", 409), Refused),
        (answered("LocationNotSupportAvailabilityZones", "", 400), Refused),
        (answered("ScopeLocked", "", 409), Refused),
        (answered("KeyVaultKeyDisabled", "", 400), Refused),
        (answered("TooManyRequests", "", 429, {"Retry-After": "17"}), Throttled),
        (answered("InternalServerError", "", 500), Unavailable),
        (answered("InternalExecutionError", "", 200), Unavailable),
        (answered("SomethingNew", "", 503), Unavailable),
        (answered("SomethingNew", "", 400), Unexpected),
        (azure.ServiceResponseError("cut"), Unavailable),
        (azure.ServiceRequestError("refused"), Unreachable),
        (azure.ClientAuthenticationError("AADSTS7000222: The secret keys are expired."), NotAuthenticated),
        (azure.ClientAuthenticationError("no credential in the environment"), NotAuthenticated),
        (azure.ClientAuthenticationError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed"), Unreachable),
        (azure.ClientAuthenticationError("Failed to resolve 'login': Name or service not known"), Unreachable),
        (azure.AzureError("what"), Unexpected),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else str(getattr(value, "message", ""))[:30],
)  # fmt: skip
def test_each_becomes_one_of_ours(error: azure.AzureError, expected: type) -> None:
    found = translate(error, "azure compute sets.get")
    assert type(found) is expected
    assert found.message.startswith("azure compute sets.get")


def test_the_missing_right_is_named() -> None:
    found = translate(answered("AuthorizationFailed", DENIED, 403), "x")
    assert isinstance(found, Forbidden)
    assert found.right == "Microsoft.Compute/virtualMachineScaleSets/write"
    assert found.right in found.hint


def test_how_long_to_wait_is_kept() -> None:
    found = translate(answered("TooManyRequests", "", 429, {"Retry-After": "17"}), "x")
    assert isinstance(found, Throttled)
    assert found.after == 17


@pytest.mark.parametrize(("name", "hint"), [("subscription", "BBDC_SUBSCRIPTION"), ("group", "BBDC_RESOURCE_GROUP")])
def test_a_wrong_place(rolling: Rolling, name: str, hint: str) -> None:
    world = rolling.hands.world
    subscription, group = {
        "subscription": ("00000000-0000-4000-8000-000000000009", GROUP),
        "group": (world.subscription, "nobody"),
    }[name]
    session = Azure(subscription, group, endpoint=world.url, clock=WorldClock(rolling.hands))
    with pytest.raises(NotFound) as caught:
        AzureGroup(session.caller(), CLUSTER).observe()
    session.close()
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("variable", "value", "hint"),
    [
        ("AZURE_CLIENT_SECRET", "wrong", "AZURE_CLIENT_SECRET"),
        ("AZURE_CLIENT_ID", "00000000-0000-4000-8000-00000000000a", "AZURE_CLIENT_ID"),
        ("AZURE_TENANT_ID", "00000000-0000-4000-8000-00000000000b", "tenant"),
    ],
)
def test_who_may_not_sign_in(
    rolling: Rolling, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, hint: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(NotAuthenticated) as caught:
        rolling.group.observe()
    assert hint in caught.value.hint
    assert "lab-secret" not in str(caught.value)


def test_a_secret_that_has_expired(rolling: Rolling) -> None:
    world = rolling.hands.world
    world.identities.add(replace(world.principal, expires=world.clock.now() - 1))
    with pytest.raises(NotAuthenticated, match="expired"):
        rolling.group.observe()


def test_a_missing_role_is_named_and_nothing_changes(rolling: Rolling) -> None:
    world = rolling.hands.world
    instance = rolling.instances()["0"].id
    world.identities.add(replace(world.principal, actions=("*/read",)))
    with pytest.raises(Forbidden) as caught:
        rolling.group.replace(instance, "7.9.0")
    assert caught.value.right == "Microsoft.Compute/virtualMachineScaleSets/write"
    world.identities.add(world.principal)
    assert rolling.instances()["0"].id == instance


def test_a_quota_that_has_no_room(rolling: Rolling) -> None:
    rolling.hands.world.instances_at_most = 3
    with pytest.raises(Refused) as caught:
        rolling.group.resize(4, observed=3)
    assert caught.value.name == "quota"
    assert rolling.group.observe().desired == 3
