"""``ports.cloud.Archive``: what every implementation must do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from unittest.mock import patch

import httpx
import pytest
from azure.storage.blob import BlobClient

from automation.adapters.aws.archive import AwsArchive
from automation.adapters.aws.session import Aws
from automation.adapters.azure import archive as azure_archive
from automation.adapters.azure.archive import AzureArchive
from automation.adapters.azure.session import Azure
from automation.adapters.host.archive import ATLASSIAN, HttpArchive
from automation.adapters.http import Http
from automation.ports.cloud import Archive
from lab.aws.plain import PlainMachines
from lab.aws.ports import ManualClock
from lab.aws.world import REGION, AwsWorld
from lab.azure.world import GROUP
from lab.sim.ports import SimArchive
from tests.contracts.aws import LostAgents, environment
from tests.contracts.azure import AzureHands, WorldClock, cluster
from tests.contracts.azure_estate import CLUSTER, SET, WAIT
from tests.lab.aws.estate import CLUSTER as AWS_CLUSTER
from tests.lab.aws.estate import Estate, template_data
from tests.lab.azure.estate import encoded

HERE = "https://mirror.example.com/b-{version}.tgz"
SCRIPT = "#!/bin/bash\nBITBUCKET_VERSION='7.9.0'\nARCHIVE_URL='https://script.example.com/b-7.9.0.tgz'\n"


@dataclass
class Web:
    """All of HTTP: some addresses have an archive."""

    there: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    silent: bool = False

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer one request."""
        self.asked.append(str(request.url))
        if self.silent:
            message = "refused"
            raise httpx.ConnectError(message)
        return httpx.Response(200 if str(request.url) in self.there else 404)


class Store(Protocol):
    """An estate whose nodes may fetch the archive from a store of the cloud's own."""

    def archive(self, http: Http, template: str | None) -> Archive:
        """Return the port."""
        ...

    def set_script(self, script: str) -> None:
        """Let new nodes start with a script."""
        ...

    def put(self, version: str) -> str:
        """Lay a version into the private store; return the template of addresses in it."""
        ...


@dataclass
class AwsStore:
    """``Store`` over the lab's AWS."""

    world: AwsWorld
    estate: Estate

    def archive(self, http: Http, template: str | None) -> Archive:
        """Return the port."""
        return AwsArchive(Aws().caller(), AWS_CLUSTER, http, template)

    def set_script(self, script: str) -> None:
        """Make a new version of the launch template."""
        data = template_data("7.9.0") | {"UserData": encoded(script)}
        made = self.world.client("ec2").create_launch_template_version(
            LaunchTemplateId=self.estate.template, LaunchTemplateData=data
        )
        self.world.client("autoscaling").update_auto_scaling_group(
            AutoScalingGroupName=self.estate.group,
            LaunchTemplate={
                "LaunchTemplateId": self.estate.template,
                "Version": str(made["LaunchTemplateVersion"]["VersionNumber"]),
            },
        )

    def put(self, version: str) -> str:
        """Write an object of S3."""
        s3 = self.world.client("s3")
        s3.create_bucket(Bucket="mirror", CreateBucketConfiguration={"LocationConstraint": REGION})
        s3.put_object(Bucket="mirror", Key=f"dist/b-{version}.tgz", Body=b"archive")
        return "s3://mirror/dist/b-{version}.tgz"


@contextmanager
def aws(root: Path) -> Iterator[Store]:
    clock = ManualClock()
    machines = PlainMachines(root, clock)
    with (
        AwsWorld(machines, clock=clock, probe=machines.probe) as world,
        patch.dict(os.environ, environment(world)),
    ):
        yield AwsStore(world, Estate.build(world, nodes=1))


@dataclass
class AzureStore:
    """``Store`` over the lab's Azure."""

    hands: AzureHands
    session: Azure

    def archive(self, http: Http, template: str | None) -> Archive:
        """Return the port."""
        return AzureArchive(self.session.caller(), CLUSTER, http, template)

    def set_script(self, script: str) -> None:
        """Change the model."""
        data = {"virtualMachineProfile": {"userData": encoded(script)}}
        self.hands.estate.sets.begin_update(GROUP, SET, {"properties": data}, **WAIT).result()

    def put(self, version: str) -> str:
        """Write a private blob."""
        estate = self.hands.estate
        place, api = estate.id("Microsoft.Storage/storageAccounts", "bbarchives"), "api-version=2023-05-01"
        body = {"location": "westeurope", "sku": {"name": "Standard_ZRS"}, "kind": "StorageV2", "properties": {}}
        estate.send("PUT", f"{place}?{api}", body)
        estate.send("PUT", f"{place}/blobServices/default?{api}", {"properties": {}})
        estate.send("PUT", f"{place}/blobServices/default/containers/dist?{api}", {"properties": {}})
        url = str(self.hands.world.resources.get(place).properties["primaryEndpoints"]["blob"]).rstrip("/")
        clients = estate.clients
        with BlobClient.from_blob_url(
            f"{url}/dist/b-{version}.tgz", credential=clients.credential, transport=clients.transport()
        ) as blob:
            blob.upload_blob(b"archive", overwrite=True)
        return f"{url}/dist/b-{{version}}.tgz"


@contextmanager
def azure(root: Path) -> Iterator[Store]:
    with cluster(root, LostAgents()) as hands:
        session = Azure(hands.world.subscription, GROUP, endpoint=hands.world.url, clock=WorldClock(hands))
        with patch.object(azure_archive, "_BLOBS", "127.0.0.1"):  # the lab's stores stand at an address without a name
            yield AzureStore(hands, session)
        session.close()


CLOUDS: Mapping[str, Callable[[Path], AbstractContextManager[Store]]] = {"aws": aws, "azure": azure}


@pytest.fixture(scope="module", params=sorted(CLOUDS))
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    with CLOUDS[request.param](tmp_path_factory.mktemp("archive")) as made:
        yield made


@pytest.fixture
def web() -> Web:
    return Web()


@pytest.fixture
def http(web: Web) -> Iterator[Http]:
    made = Http(transport=httpx.MockTransport(web))
    yield made
    made.close()


def test_an_archive_over_http_is_there_or_the_problem_has_a_name(store, web, http):
    judged(store.archive(http, HERE), web)
    assert web.asked == [HERE.format(version=version) for version in ("7.9.4", "7.9.5")]


def test_the_same_without_a_cloud(web, http):
    judged(HttpArchive(http, HERE), web)


def test_the_same_in_virtual_time(web):
    judged(SimArchive(missing={"7.9.5"}), web)


def judged(archive: Archive, web: Web) -> None:
    web.there.add("https://mirror.example.com/b-7.9.4.tgz")
    assert archive.problem("7.9.4") is None
    problem = archive.problem("7.9.5")
    assert problem is not None
    assert problem.name == "archive_unreachable"
    assert "7.9.5" in problem.message


def test_a_host_that_does_not_answer_is_a_problem_and_no_error(store, web, http):
    web.silent = True
    problem = store.archive(http, HERE).problem("7.9.4")
    assert problem is not None
    assert problem.name == "archive_unreachable"


def test_without_a_setting_it_is_looked_for_where_the_nodes_script_says_or_at_atlassians(store, web, http):
    archive = store.archive(http, None)
    archive.problem("7.9.4")
    store.set_script(SCRIPT)
    archive.problem("7.9.4")
    assert web.asked == [ATLASSIAN.format(version="7.9.4"), "https://script.example.com/b-7.9.4.tgz"]


def test_a_private_store_is_asked_with_our_identity(store, web, http):
    archive = store.archive(http, store.put("7.9.4"))
    assert archive.problem("7.9.4") is None
    problem = archive.problem("7.9.5")
    assert problem is not None
    assert problem.name == "archive_unreachable"
    assert "b-7.9.5.tgz" in problem.message
    assert web.asked == []
