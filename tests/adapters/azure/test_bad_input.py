"""Bad input on Azure, by command: one line that names what is wrong, the documented code, nothing changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from automation.adapters.azure import rights
from automation.adapters.azure.nodes import AzureGroup
from automation.adapters.azure.session import Azure
from automation.cli.__main__ import run
from automation.cli.exit_codes import ExitCode
from automation.ports.errors import Refused
from lab.azure import usages
from lab.azure.identities import Principal
from lab.azure.world import CLIENT, GROUP, GUEST, TENANT, AzureWorld
from tests.adapters.azure.safe_world import Scripted
from tests.contracts.azure import AzureHands, cluster
from tests.contracts.azure_estate import CLUSTER, SET, TAGS, WAIT

NOBODY = "0badc0de-0000-4000-8000-000000000000"
ANOTHER = "5b5b5b5b-0000-4000-8000-00000000000f"
Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def hands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzureHands]:
    with cluster(tmp_path_factory.mktemp("azure"), Scripted()) as made:
        made.world.subscriptions[ANOTHER] = "another-tenant"
        yield made


def state(world: AzureWorld) -> dict[str, str]:
    """Everything that there is, with its ETag: whoever changes anything changes this."""
    with world.lock:
        return {one.id: one.etag for one in world.resources.under(f"/subscriptions/{world.subscription}")}


@pytest.fixture
def bbdc(
    hands: AzureHands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Command]:
    world = hands.world
    for name, value in (world.environment() | settings(world, tmp_path)).items():
        monkeypatch.setenv(name, value)

    def command(*words: str) -> tuple[int, str, str]:
        code = run(words)
        said = capsys.readouterr()
        return code, said.out, said.err

    before = state(world)
    yield command
    assert state(world) == before
    world.identities.add(world.principal)


def settings(world: AzureWorld, directory: Path) -> dict[str, str]:
    return {
        "BBDC_CLOUD": "azure",
        "BBDC_AZURE_ENDPOINT": world.url,
        "BBDC_SUBSCRIPTION": world.subscription,
        "BBDC_RESOURCE_GROUP": GROUP,
        "BBDC_CLUSTER": CLUSTER,
        "BBDC_STATE": str(directory / "state"),
        "BBDC_PROJECT": str(directory),
        "BITBUCKET_URL": "http://127.0.0.1:1",
        "BITBUCKET_TOKEN": "t0p-secret-token",
    }


WRONG: dict[str, tuple[dict[str, str], ExitCode, str, str]] = {
    "no such subscription": (
        {"BBDC_SUBSCRIPTION": NOBODY}, ExitCode.NOT_FOUND, f"SubscriptionNotFound: The subscription '{NOBODY}'",
        "check BBDC_SUBSCRIPTION",
    ),
    "a subscription's name": (
        {"BBDC_SUBSCRIPTION": "production"}, ExitCode.NOT_FOUND, "InvalidSubscriptionId", "is a subscription's id",
    ),
    "a subscription of another tenant": (
        {"BBDC_SUBSCRIPTION": ANOTHER}, ExitCode.DENIED, "InvalidAuthenticationTokenTenant",
        "belongs to another tenant",
    ),
    "no such group": (
        {"BBDC_RESOURCE_GROUP": "nobody"}, ExitCode.NOT_FOUND, "ResourceGroupNotFound", "check BBDC_RESOURCE_GROUP",
    ),
    "no such cluster": (
        {"BBDC_CLUSTER": "nobody"}, ExitCode.NOT_FOUND, "bitbucket-dc:cluster=nobody", "check BBDC_CLUSTER",
    ),
    "no such tenant": (
        {"AZURE_TENANT_ID": NOBODY}, ExitCode.DENIED, "no tenant answers at https://127.0.0.1:", "AZURE_TENANT_ID",
    ),
    "no such client": ({"AZURE_CLIENT_ID": NOBODY}, ExitCode.DENIED, "AADSTS700016", "check AZURE_CLIENT_ID"),
    "a wrong secret": (
        {"AZURE_CLIENT_SECRET": "gu3ssed-it"}, ExitCode.DENIED, "AADSTS7000215", "the client secret is wrong",
    ),
    "no right at all": (
        {"AZURE_CLIENT_ID": GUEST}, ExitCode.DENIED,
        "Microsoft.Compute/virtualMachineScaleSets/read on /subscriptions/", f"to this identity ({GUEST} ",
    ),
    "nobody there": (
        {"BBDC_AZURE_ENDPOINT": "https://127.0.0.1:1"}, ExitCode.UNREACHABLE, "Connection refused",
        "BBDC_AZURE_ENDPOINT",
    ),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG)
@pytest.mark.parametrize("words", [("status",), ("upgrade", "7.9.4", "--yes")], ids=["status", "upgrade"])
def test_what_is_wrong_is_named_in_one_line(
    bbdc: Command,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    wrong: tuple[dict[str, str], ExitCode, str, str],
) -> None:
    changed, code, message, hint = wrong
    for name, value in changed.items():
        monkeypatch.setenv(name, value)
    told, out, err = bbdc(*words)
    assert told == code
    assert message in err
    line, advice = err.splitlines()
    assert line.startswith("bbdc: ")
    assert advice.startswith("  -> ")
    assert hint in advice
    assert "gu3ssed-it" not in out + err


def test_an_expired_secret(bbdc: Command, hands: AzureHands) -> None:
    world = hands.world
    world.identities.add(replace(world.principal, expires=world.clock.now() - 1))
    code, _, err = bbdc("status")
    assert code == ExitCode.DENIED
    assert "AADSTS7000222" in err
    assert "has expired: make a new one" in err
    assert world.principal.secret not in err


def test_nobody_to_sign_in_as(bbdc: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("IDENTITY_ENDPOINT", "http://127.0.0.1:1/token")  # of App Service: no look at the network
    monkeypatch.setenv("IDENTITY_HEADER", "x")
    monkeypatch.setenv("PATH", "")
    code, _, err = bbdc("status")
    assert code in {ExitCode.DENIED, ExitCode.UNREACHABLE}
    assert len(err.splitlines()) == 2


def test_a_certificate_that_nobody_trusts(bbdc: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    code, _, err = bbdc("status")
    assert code == ExitCode.UNREACHABLE
    assert "CERTIFICATE_VERIFY_FAILED" in err
    assert "REQUESTS_CA_BUNDLE" in err
    assert len(err.splitlines()) == 2


def test_a_reader_of_another_group(bbdc: Command, hands: AzureHands, monkeypatch: pytest.MonkeyPatch) -> None:
    world = hands.world
    elsewhere = f"/subscriptions/{world.subscription}/resourceGroups/elsewhere"
    reader = Principal(CLIENT, TENANT, world.principal.secret, actions=("*/read",), scopes=(elsewhere,))
    world.identities.add(reader)
    code, _, err = bbdc("status")
    assert code == ExitCode.DENIED
    assert f"/resourceGroups/{GROUP}/providers/Microsoft.Compute/virtualMachineScaleSets is not allowed" in err


@pytest.fixture
def twin(hands: AzureHands) -> Iterator[str]:
    """A second scale set with the same tag."""
    sets = hands.estate.sets
    sets.begin_create_or_update(GROUP, "copy", hands.estate.model("7.9.0", 0) | {"tags": TAGS}, **WAIT).result()
    yield "copy"
    sets.begin_delete(GROUP, "copy", **WAIT).result()


def test_two_clusters_of_one_name(twin: str, bbdc: Command) -> None:
    code, _, err = bbdc("status")
    assert code == ExitCode.UNEXPECTED
    assert f"bitbucket-dc:cluster={CLUSTER}: {SET}, {twin}" in err
    assert "give each cluster a name of its own" in err


@pytest.fixture
def automatic(hands: AzureHands) -> Iterator[str]:
    """The scale set with a policy under which a change reaches all nodes at once."""

    def write(mode: str) -> None:
        hands.estate.sets.begin_update(GROUP, SET, {"properties": {"upgradePolicy": {"mode": mode}}}, **WAIT).result()

    write("Automatic")
    yield "Automatic"
    write("Manual")


def test_a_scale_set_in_another_mode(automatic: str, bbdc: Command) -> None:
    code, _, err = bbdc("upgrade", "7.9.4", "--yes")
    assert code == ExitCode.REFUSED
    assert f"is {automatic}" in err
    assert "set it to Manual" in err


# --- rights and quotas, before anything is done ------------------------------------------------------------------


@pytest.fixture
def group(hands: AzureHands) -> Iterator[AzureGroup]:
    session = Azure(hands.world.subscription, GROUP, endpoint=hands.world.url)
    yield AzureGroup(session.caller(), CLUSTER)
    session.close()
    hands.world.identities.add(hands.world.principal)


@pytest.mark.parametrize("missing", [*rights.ROLL, *rights.GATEWAY, *rights.POOLS, *rights.SUBNET])
def test_preflight_names_each_right_that_a_roll_will_lack(hands: AzureHands, group: AzureGroup, missing: str) -> None:
    world = hands.world
    needed = {*rights.ROLL, *rights.GATEWAY, *rights.POOLS, *rights.SUBNET} - {missing}
    world.identities.add(Principal(CLIENT, TENANT, world.principal.secret, actions=("*/read", *sorted(needed))))
    (found,) = group.problems(surge=0)
    assert found.name == "missing_right"
    assert f"{missing} on /subscriptions/" in found.message
    assert found.message.count(" on /") == 1


def test_where_nobody_may_ask_nothing_is_told(hands: AzureHands, group: AzureGroup) -> None:
    world = hands.world
    allowed = ("Microsoft.Compute/*/read", "Microsoft.Network/*/read")
    world.identities.add(Principal(CLIENT, TENANT, world.principal.secret, actions=allowed))
    assert group.problems(surge=0) == ()


@pytest.mark.parametrize(("quota", "word"), [("cores", "Total Regional vCPUs"), ("standardDSv5Family", "standardDSv5")])
def test_a_quota_without_room_for_a_surge_machine_is_named(
    hands: AzureHands, group: AzureGroup, quota: str, word: str
) -> None:
    limits = usages.of(hands.world).limits
    limits[quota] = 15  # three machines of four
    (found,) = group.problems(surge=1)
    assert group.problems(surge=0) == ()
    assert found.name == "vcpu_quota"
    assert f"12 of 15 {word}" in found.message
    with pytest.raises(Refused, match="Current Limit: 15, Current Usage: 12, Additional Required: 4") as caught:
        group.resize(4, observed=3)
    assert caught.value.name == "quota"
    del limits[quota]
    assert group.problems(surge=1) == ()
