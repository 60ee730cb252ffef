"""One session: what is sent again and what is not, what is counted, and where it goes."""

from __future__ import annotations

import pytest

from automation.adapters.azure import session as sessions
from automation.adapters.azure.session import Azure, Caller
from automation.ports.errors import Throttled, Unavailable, Unreachable
from lab.azure.ports import Reply
from lab.azure.world import GROUP
from tests.adapters.azure.roll_world import REIMAGE, Rolling
from tests.contracts.azure import WorldClock
from tests.contracts.azure_estate import GATEWAY, SET

READ = "GET virtualMachineScaleSets"
HEALTH = "POST applicationGateways/backendhealth"
BROKEN = Reply(500, "InternalServerError", "not now")
BUSY = Reply(503, "Throttling", "slow down")


def read(caller: Caller) -> None:
    caller.call("compute", "virtual_machine_scale_sets.get", GROUP, SET)


def test_a_read_is_tried_again_and_every_try_counts(rolling: Rolling) -> None:
    caller, other = rolling.session.caller(), rolling.session.caller()
    rolling.faults.refusals[READ] = [BROKEN, BROKEN]
    read(caller)
    assert (caller.calls, other.calls) == (3, 0)


@pytest.mark.parametrize("reply", [BROKEN, BUSY])
def test_a_post_that_does_something_is_sent_once(rolling: Rolling, reply: Reply) -> None:
    """Also with Retry-After, which azure-core minds for every method otherwise."""
    caller = rolling.session.caller()
    rolling.faults.refusals[REIMAGE] = [reply]
    with pytest.raises(Unavailable):
        caller.begin("compute", "virtual_machine_scale_set_vms.begin_reimage", GROUP, SET, "0")
    assert (caller.calls, rolling.faults.seen.count(REIMAGE)) == (1, 1)


def test_a_post_that_only_reads_is_sent_again(rolling: Rolling) -> None:
    caller = rolling.session.caller()
    rolling.faults.refusals[HEALTH] = [BROKEN]
    assert caller.finish("network", "application_gateways.begin_backend_health", GROUP, GATEWAY)["backendAddressPools"]
    assert rolling.faults.seen.count(HEALTH) == 2


def test_polls_count_and_are_tried_again(rolling: Rolling) -> None:
    caller = rolling.session.caller()
    rolling.faults.refusals["GET locations/operations"] = [BROKEN]
    caller.finish("compute", "virtual_machine_scale_set_vms.begin_reimage", GROUP, SET, "0")
    assert caller.calls > 3
    assert rolling.faults.seen.count(REIMAGE) == 1


def test_a_throttle_that_does_not_end(rolling: Rolling) -> None:
    before = rolling.hands.clock.now()
    rolling.faults.refusals[READ] = [BUSY] * 9
    with pytest.raises(Throttled) as caught:
        read(rolling.session.caller())
    assert caught.value.after == 1
    assert rolling.hands.clock.now() - before >= 3, "Retry-After was minded"


def test_an_endpoint_that_nobody_serves(rolling: Rolling) -> None:
    session = Azure(
        rolling.hands.world.subscription, GROUP, endpoint="https://127.0.0.1:1", clock=WorldClock(rolling.hands)
    )
    with pytest.raises(Unreachable, match="BBDC_AZURE_ENDPOINT"):
        read(session.caller())
    session.close()


def test_a_certificate_that_nobody_vouches_for(rolling: Rolling, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(Unreachable):
        read(rolling.session.caller())


def test_the_ca_may_be_given(rolling: Rolling, monkeypatch: pytest.MonkeyPatch) -> None:
    world = rolling.hands.world
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    session = Azure(
        world.subscription, GROUP, endpoint=world.url, ca=world.certificates.authority, clock=WorldClock(rolling.hands)
    )
    read(session.caller())
    session.close()


@pytest.mark.parametrize(
    ("authority", "is_own"),
    [
        ("", False),
        ("login.microsoftonline.com", False),
        ("https://login.microsoftonline.us/", False),
        ("https://login.example.com", True),
        ("127.0.0.1:8443", True),
    ],
)
def test_only_microsofts_own_authorities_are_looked_up(authority: str, *, is_own: bool) -> None:
    assert sessions._is_own(authority) is is_own
