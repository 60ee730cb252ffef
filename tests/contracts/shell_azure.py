"""Run Command over the lab's Azure, as a subject of the contract suites."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from automation.adapters.azure.discovery import Estate as Found
from automation.adapters.azure.machines import machines_of
from automation.adapters.azure.node_logs import AzureNodeLogs
from automation.adapters.azure.session import Azure, Caller
from automation.adapters.azure.shell import AzureShell
from automation.ports.shell import Shell
from lab.azure.world import GROUP, SUBSCRIPTION
from tests.adapters.azure.safe_world import Passing, Scripted, nodes
from tests.contracts.safe_azure import CLUSTER, azure_estate, machine, retag, tagged
from tests.contracts.shell_aws import NotingRedactor
from tests.contracts.shell_subjects import HOME, CloudSubject
from tests.lab.azure.estate import WAIT, Estate

SEND = "runCommand"


@dataclass
class AzureShellHands:
    """``shell_subjects.CloudHands`` over the lab's Azure."""

    estate: Estate
    faults: Scripted
    caller: Caller

    def nodes(self) -> tuple[str, ...]:
        """Return our ids of the scale set's machines."""
        return tuple(one.id for one in machines_of(self.caller, Found(self.caller, CLUSTER).group()))

    def unit(self, node: str) -> str:
        """Read what systemctl of the machine keeps."""
        return (self._directory(node) / "bitbucket.state").read_text().strip()

    def gone(self) -> str:
        """Return the id of a machine whose disk was another one."""
        return f"{self.nodes()[0].partition('-')[0]}-00000000"

    @contextmanager
    def deaf(self, *machines: str) -> Iterator[None]:
        """Disconnect the agents."""
        lost = {self._directory(one).name for one in machines}
        self.faults.deaf.update(lost)
        yield
        self.faults.deaf.difference_update(lost)

    @contextmanager
    def off(self) -> Iterator[str]:
        """Stop the file server."""
        machines = self.estate.clients.compute.virtual_machines
        machines.begin_power_off(GROUP, "file-server", **WAIT).result()
        yield AzureShell(self.caller, CLUSTER).file_server()
        machines.begin_start(GROUP, "file-server", **WAIT).result()

    @contextmanager
    def lost_answer(self) -> Iterator[list[str]]:
        """Lose the next answer."""
        sent: list[str] = []
        self.faults.seen.clear()
        self.faults.lost.append("POST virtualMachines/runCommand")
        yield sent
        sent.extend(each for each in self.faults.seen if each.endswith(SEND))
        self.faults.lost.clear()
        for script in list(self.estate.world.commands.going):
            script.process.wait(10)
        self.estate.settle(1)

    @contextmanager
    def further_server(self) -> Iterator[str]:
        """Make another one."""
        made = machine(self.estate, "second", "file-server", ("spare",))
        yield str(made.id)
        retag(self.estate, "Microsoft.Compute/virtualMachines", "second", {})

    def elsewhere(self) -> Shell:
        """Return the shell of a cluster without machines."""
        return AzureShell(self.caller, "another")

    def log(self, node: str, text: str) -> None:
        """Write the file."""
        file = self._directory(node) / f"root{HOME}/log/atlassian-bitbucket.log"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def _directory(self, node: str) -> Path:
        return self.estate.machines.directory(f"{CLUSTER}-nodes_{node.partition('-')[0]}-1")


@contextmanager
def shell_azure(root: Path) -> Iterator[CloudSubject]:
    """Yield the adapters over a fresh Azure with two nodes and a file server; another cluster has a server too."""
    faults = Scripted()
    with azure_estate(root, faults) as estate:
        nodes(estate)
        machine(estate, "file-server", "file-server", ("home-0",))
        machine(estate, "another", "file-server", ("other-0",))
        elsewhere = tagged("file-server") | {"bitbucket-dc:cluster": "a-third"}
        retag(estate, "Microsoft.Compute/virtualMachines", "another", elsewhere)
        estate.settle(10)
        azure = Azure(SUBSCRIPTION, GROUP, endpoint=estate.world.url, clock=Passing(estate))
        caller, redactor = azure.caller(), NotingRedactor()
        shell = AzureShell(caller, CLUSTER)
        yield CloudSubject(
            shell=shell,
            hands=AzureShellHands(estate, faults, caller),
            logs=AzureNodeLogs(caller, CLUSTER, shell, HOME, redactor),
            hidden=redactor.told,
        )
        azure.close()
