"""What an engine may ask of a provider, message by message, with the SDK's own stubs."""

import json
from collections.abc import Iterator
from dataclasses import replace

import grpc
import pytest
from google.protobuf import empty_pb2
from pulumi.runtime.proto import plugin_pb2, provider_pb2
from pulumi.runtime.proto.provider_pb2 import PropertyDiff

from lab.pulumi.aws.values import UNKNOWN, decode
from lab.pulumi.azure.client import Account
from lab.pulumi.azure.server import serve
from lab.pulumi.azure.table import table
from tests.lab.pulumi_aws.harness import Engine, Live, Refused, struct, urn
from tests.lab.pulumi_azure.harness import Estate, kind

NET, SET, ADDRESS = kind("network:VirtualNetwork"), kind("compute:VirtualMachineScaleSet"), "network:PublicIPAddress"
SUBNET, ROLE = kind("network:Subnet"), kind("authorization:RoleAssignment")
SECRET = "4dabf18193072939515e22adb298388d"
NAMING = provider_pb2.CheckRequest.AutonamingOptions


@pytest.fixture
def own(account: Account) -> Iterator[Engine]:
    """A provider for a test that ends or cancels it."""
    server = serve(account)
    engine = Engine(server.port)
    yield engine
    engine.channel.close()
    server.stop()


# --- life of the provider --------------------------------------------------------------------------------------------


def test_it_says_what_it_is_and_takes_its_settings(estate: Estate) -> None:
    stub = estate.engine.stub
    assert stub.Handshake(provider_pb2.ProviderHandshakeRequest()).supports_autonaming_configuration
    assert stub.GetPluginInfo(empty_pb2.Empty()).version == table().version
    stub.Attach(plugin_pb2.PluginAttach(address="127.0.0.1:1"))
    settings = struct({"location": "westeurope", "clientSecret": UNKNOWN})
    assert stub.CheckConfig(provider_pb2.CheckRequest(news=settings)).inputs == settings
    answer = stub.Configure(provider_pb2.ConfigureRequest(args=struct({}), acceptSecrets=True))
    # Neither: the engine then sends plain values and marks the outputs of secret inputs itself.
    assert (answer.supportsPreview, answer.acceptSecrets, answer.acceptOutputs) == (True, False, False)


def test_another_subscription_means_other_resources_another_place_does_not(estate: Estate) -> None:
    before = {"subscriptionId": "a", "location": "westeurope", "version": "3.29.0"}
    for change, replaces in (
        ({"subscriptionId": "b"}, ["subscriptionId"]),
        ({"location": "northeurope"}, []),
        ({"version": "3.30.0"}, None),
    ):
        request = provider_pb2.DiffRequest(old_inputs=struct(before), news=struct(before | change))
        found = estate.engine.stub.DiffConfig(request)
        assert bool(found.diffs) is (replaces is not None)
        assert list(found.replaces) == (replaces or [])


def test_its_schema_has_every_type_and_refers_to_nothing_that_is_missing(estate: Estate) -> None:
    found = json.loads(estate.engine.stub.GetSchema(provider_pb2.GetSchemaRequest()).schema)
    assert (found["name"], set(found["resources"])) == ("azure-native", set(table().types))
    references = {part.split('"')[0] for part in json.dumps(found).split('"#/types/')[1:]}
    assert references <= set(found["types"])
    net = found["resources"][NET]
    assert net["requiredInputs"] == ["resourceGroupName"]
    assert net["inputProperties"]["tags"] == {"type": "object", "additionalProperties": {"type": "string"}}


@pytest.mark.parametrize("method", ["Construct", "Call", "GetMapping"])
def test_what_it_does_not_speak_is_said_in_the_protocols_way(estate: Estate, method: str) -> None:
    request = {"Construct": "ConstructRequest", "Call": "CallRequest", "GetMapping": "GetMappingRequest"}[method]
    with pytest.raises(grpc.RpcError) as refused:
        getattr(estate.engine.stub, method)(getattr(provider_pb2, request)())
    assert refused.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_after_a_cancel_nothing_waits_and_a_new_engine_works(
    own: Engine, estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    own.stub.Cancel(empty_pb2.Empty())
    wanted = estate.wanted("compute:VirtualMachineScaleSet") | {"vmScaleSetName": "slow"}
    monkeypatch.setattr(estate.world, "timings", replace(estate.world.timings, instance=3600.0))
    with pytest.raises(grpc.RpcError) as stopped:
        own.create(SET, wanted)
    assert "the engine asked to stop" in stopped.value.details()
    own.configure()
    assert own.invoke("azure-native:authorization:getClientConfig")["subscriptionId"] == estate.world.subscription


# --- unknowns, at preview --------------------------------------------------------------------------------------------


def test_what_is_not_known_yet_is_accepted_and_passed_on(estate: Estate) -> None:
    engine = estate.engine
    wanted = {"resourceGroupName": UNKNOWN, "virtualNetworkName": UNKNOWN, "subnetName": "s", "addressPrefix": UNKNOWN}
    assert engine.check(SUBNET, wanted) == wanted | {"__named": False}
    seen = engine.create(SUBNET, wanted, preview=True)
    assert (seen.id, seen.state["name"], seen.state["addressPrefix"]) == ("", "s", UNKNOWN)
    assert seen.state["provisioningState"] == UNKNOWN
    placed = engine.check(NET, {"resourceGroupName": UNKNOWN, "virtualNetworkName": "n"})
    assert placed.get("location") in {None, "westeurope"}
    answer = engine.stub.Invoke(
        provider_pb2.InvokeRequest(tok="azure-native:network:getSubnet", args=struct({"subnetName": UNKNOWN}))
    )
    assert not decode(getattr(answer, "return"))


def test_an_unknown_differs_and_an_unknown_name_replaces(estate: Estate) -> None:
    live, wanted = estate.have("network:VirtualNetwork"), estate.wanted("network:VirtualNetwork")
    tagged = estate.engine.diff(NET, live, wanted | {"tags": {"a": UNKNOWN}})
    assert (list(tagged.diffs), list(tagged.replaces)) == (["tags"], [])
    assert tagged.detailedDiff["tags.a"].kind == PropertyDiff.UPDATE
    seen = estate.engine.update(NET, live, wanted | {"tags": {"a": UNKNOWN}}, preview=True)
    assert (seen.state["tags"], seen.state["provisioningState"]) == ({"a": UNKNOWN}, "Succeeded")
    group = estate.engine.diff(NET, live, wanted | {"resourceGroupName": UNKNOWN})
    assert list(group.replaces) == ["resourceGroupName"]


# --- names -----------------------------------------------------------------------------------------------------------


def test_names_are_made_proposed_or_demanded(estate: Estate) -> None:
    token, engine = kind(ADDRESS), estate.engine
    given = {"resourceGroupName": estate.group}
    made = engine.check(token, given, name="front")["publicIpAddressName"]
    assert made == engine.check(token, given, name="front")["publicIpAddressName"]
    proposed = NAMING(proposed_name="front-of-house", mode=NAMING.PROPOSE)
    assert engine.check(token, given, autonaming=proposed)["publicIpAddressName"] == "front-of-house"
    with pytest.raises(Refused) as refused:
        engine.check(token, given, autonaming=NAMING(mode=NAMING.DISABLE))
    assert list(refused.value.reasons) == ["publicIpAddressName"]
    named = given | {"publicIpAddressName": "mine"}
    assert engine.check(token, named, autonaming=NAMING(mode=NAMING.DISABLE))["publicIpAddressName"] == "mine"


def test_the_old_goes_first_only_where_both_would_have_one_name(estate: Estate) -> None:
    token = kind(ADDRESS)
    made = estate.engine.create(token, {"resourceGroupName": estate.group, "sku": {"name": "Standard"}}, name="made")
    other = {"resourceGroupName": estate.group, "sku": {"name": "Basic"}}
    found = estate.engine.diff(token, made, other)
    assert (list(found.replaces), found.deleteBeforeReplace) == (["sku"], False)
    fixed = {"publicIpAddressName": made.inputs["publicIpAddressName"]}
    named = Live(made.id, made.inputs | {"__named": False}, made.state)
    found = estate.engine.diff(token, named, other | fixed)
    assert (list(found.replaces), found.deleteBeforeReplace) == (["sku"], True)
    estate.engine.delete(token, made)


# --- differences that are none, or are not to count ------------------------------------------------------------------


@pytest.mark.parametrize("path", ["tags", "tags.a", "*"])
def test_ignored_changes_do_not_count(estate: Estate, path: str) -> None:
    live, wanted = estate.have("network:VirtualNetwork"), estate.wanted("network:VirtualNetwork")
    found = estate.engine.diff(NET, live, wanted | {"tags": {"a": "other"}}, ignore=(path,))
    assert found.changes == provider_pb2.DiffResponse.DIFF_NONE


def test_paths_inside_lists_name_what_changed(estate: Estate) -> None:
    """An engine decides by these paths whether `replaceOnChanges` applies."""
    live, wanted = estate.have("network:VirtualNetwork"), estate.wanted("network:VirtualNetwork")
    more = {"addressSpace": {"addressPrefixes": [*wanted["addressSpace"]["addressPrefixes"], "10.21.0.0/16"]}}
    found = estate.engine.diff(NET, live, wanted | more)
    assert list(found.detailedDiff) == ["addressSpace.addressPrefixes[1]"]
    assert found.detailedDiff["addressSpace.addressPrefixes[1]"].inputDiff
    kept = ("addressSpace.addressPrefixes[*]",)
    assert not estate.engine.diff(NET, live, wanted | more, ignore=kept).diffs


# --- secrets, import, and what is gone --------------------------------------------------------------------------------


def test_keys_come_as_secrets_and_no_password_comes_back(estate: Estate) -> None:
    account = estate.have("storage:StorageAccount").inputs["accountName"]
    answer = estate.engine.stub.Invoke(
        provider_pb2.InvokeRequest(
            tok="azure-native:storage:listStorageAccountKeys",
            args=struct({"accountName": account, "resourceGroupName": estate.group}),
        )
    )
    marked = getattr(answer, "return").fields["keys"].struct_value.fields
    assert marked[SECRET].string_value == "1b47061264138c4ac30d75fd1eb44270"
    server = estate.have("dbforpostgresql:Server")
    read = estate.engine.read(kind("dbforpostgresql:Server"), server)
    assert read is not None
    assert "administratorLoginPassword" not in read.state
    assert read.inputs["administratorLoginPassword"] == "secret"  # the engine's own: Azure never tells it


def test_what_is_imported_gives_a_program_without_changes(estate: Estate) -> None:
    for name in ("network:VirtualNetwork", "network:Subnet", "network:ApplicationGateway", "compute:Disk"):
        live = estate.have(name)
        imported = estate.engine.read(kind(name), Live(live.id, {}, {}))
        assert imported is not None
        declared = {key: value for key, value in imported.inputs.items() if not key.startswith("__")}
        assert imported.id == live.id
        assert not estate.engine.diff(kind(name), imported, declared).diffs
        for parameter in table().types[kind(name)].parameters:
            assert imported.inputs[parameter] == live.inputs[parameter]


def test_an_import_of_what_is_not_there_finds_nothing(estate: Estate) -> None:
    missing = estate.place("Microsoft.Network/virtualNetworks", "none")
    assert estate.engine.read(NET, Live(missing, {}, {})) is None
    request = provider_pb2.ReadRequest(id="no id at all", urn=urn(NET))
    with pytest.raises(grpc.RpcError):
        estate.engine.stub.Read(request)
