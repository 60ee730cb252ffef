"""Scripts over the lab's Run Command, whose shells are real: what of them is Azure's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from automation.adapters.azure.session import Azure
from automation.adapters.azure.shell import AzureShell
from automation.ports.errors import Unavailable
from lab.azure.world import GROUP, SUBSCRIPTION
from tests.adapters.azure.safe_world import Passing
from tests.contracts.safe_azure import CLUSTER, azure_estate, machine
from tests.lab.azure.estate import Estate


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Estate]:
    """A file server."""
    with azure_estate(tmp_path_factory.mktemp("shell")) as made:
        machine(made, "file-server", "file-server", ("home-0",))
        made.settle(10)
        yield made


@pytest.fixture
def azure(estate: Estate) -> Iterator[Azure]:
    made = Azure(SUBSCRIPTION, GROUP, endpoint=estate.world.url, clock=Passing(estate))
    yield made
    made.close()


@pytest.fixture
def shell(azure: Azure) -> AzureShell:
    return AzureShell(azure.caller(), CLUSTER)


def test_only_the_end_of_a_long_answer_comes_back(shell: AzureShell) -> None:
    result = shell.run(shell.file_server(), "seq 1 5000; false", timeout=30)
    assert result.code == 1
    assert result.output.endswith("4999\n5000\n")
    assert len(result.output) < 4096


def test_a_script_that_does_not_end_is_ended(shell: AzureShell) -> None:
    with pytest.raises(Unavailable, match=r"did not end in 0\.2 s"):
        shell.run(shell.file_server(), "sleep 60", timeout=0.2)


def test_a_second_script_at_a_time_waits_for_its_turn(shell: AzureShell, estate: Estate) -> None:
    gate = estate.machines.directory("file-server-1") / "go"
    body = {"commandId": "RunShellScript", "script": [f"while [ ! -e {gate} ]; do sleep 0.02; done"]}
    machines = estate.clients.compute.virtual_machines
    machines.begin_run_command(GROUP, "file-server", body, polling=False)
    with pytest.raises(Unavailable, match="runs another command"):
        shell.run(shell.file_server(), "true", timeout=30)
    gate.touch()
    estate.world.commands.going[0].process.wait(10)
    estate.settle(1)
    assert shell.run(shell.file_server(), "echo turn", timeout=30).output == "turn\n"
