"""A subscription on loopback and the provider in front of it, driven over the real protocol."""

from collections.abc import Iterator

import pytest

from lab.aws.plain import PlainMachines
from lab.azure.ports import SystemClock, Timings
from lab.azure.world import GROUP, AzureWorld
from lab.data.storage import DirectoryStorage
from lab.pulumi.azure.client import Account
from lab.pulumi.azure.server import serve
from tests.lab.pulumi_aws.harness import Engine
from tests.lab.pulumi_azure.harness import Estate

QUICK = Timings(
    retry_after=0.01, instance=0, power=0, model=0, snapshot=0, copying=0, restore_point=0, gateway=0, gateway_health=0
)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AzureWorld]:
    root = tmp_path_factory.mktemp("azure")
    clock = SystemClock()
    machines = PlainMachines(root / "machines", clock)
    storage = DirectoryStorage(root / "data")
    with AzureWorld(machines, root / "tls", clock=clock, timings=QUICK, storage=storage, tick=0.02) as made:
        yield made


@pytest.fixture(scope="session")
def account(world: AzureWorld) -> Account:
    who = world.principal
    return Account(
        endpoint=world.url,
        authority=world.url,
        tenant=who.tenant,
        client=who.client,
        secret=who.secret,
        subscription=world.subscription,
        ca=str(world.certificates.authority),
        object_id=who.object,
    )


@pytest.fixture(scope="session")
def engine(account: Account) -> Iterator[Engine]:
    server = serve(account)
    connected = Engine(server.port)
    connected.configure()
    yield connected
    connected.channel.close()
    server.stop()


@pytest.fixture(scope="session")
def estate(engine: Engine, world: AzureWorld, account: Account) -> Estate:
    return Estate(engine, world, GROUP, account)
