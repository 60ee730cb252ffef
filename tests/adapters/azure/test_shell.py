"""Scripts over the lab's Run Command, whose shells are real; and what the nodes' logs tell through them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from automation.adapters.azure.discovery import Estate as Found
from automation.adapters.azure.machines import machines_of
from automation.adapters.azure.node_logs import AzureNodeLogs
from automation.adapters.azure.session import Azure
from automation.adapters.azure.shell import AzureShell, wrapped
from automation.adapters.logs import Redactor
from automation.engine.restores import home
from automation.ports.errors import NotFound, Unavailable, Unexpected
from lab.azure.world import GROUP, SUBSCRIPTION
from tests.adapters.azure.safe_world import Passing, Scripted, nodes
from tests.contracts.safe_azure import CLUSTER, azure_estate, machine
from tests.lab.azure.estate import WAIT, Estate

HOME = "/var/atlassian/application-data/bitbucket"


@pytest.fixture(scope="module")
def faults() -> Scripted:
    return Scripted()


@pytest.fixture(scope="module")
def estate(tmp_path_factory: pytest.TempPathFactory, faults: Scripted) -> Iterator[Estate]:
    """Two nodes and a file server."""
    with azure_estate(tmp_path_factory.mktemp("shell"), faults) as made:
        nodes(made)
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


@pytest.fixture
def members(azure: Azure) -> list[str]:
    caller = azure.caller()
    return [one.id for one in machines_of(caller, Found(caller, CLUSTER).group())]


def test_a_script_is_run_by_sh_and_all_that_it_says_comes_back(shell: AzureShell) -> None:
    script = "set -eu\nname='two  words'\nif true; then\n  printf '%s\\n' \"$name\"\nfi\necho careful >&2\nexit 7\n"
    result = shell.run(shell.file_server(), script, timeout=30)
    assert (result.code, result.output, result.errors) == (7, "two  words\n", "careful\n")
    assert shell.calls > 2


@pytest.mark.parametrize("said", ["", "no end of line", "\n\n", "bbdc-exit:9\nmore\n", "[stderr]\nnot so\n"])
def test_what_a_script_says_is_not_mistaken(shell: AzureShell, said: str) -> None:
    result = shell.run(shell.file_server(), f"printf '%s' '{said}'", timeout=30)
    assert (result.code, result.output, result.errors) == (0, said, "")


def test_only_the_end_of_a_long_answer_comes_back(shell: AzureShell) -> None:
    result = shell.run(shell.file_server(), "seq 1 5000; false", timeout=30)
    assert result.code == 1
    assert result.output.endswith("4999\n5000\n")
    assert len(result.output) < 4096


def test_bitbucket_is_stopped_held_and_started_on_a_node(shell: AzureShell, estate: Estate, members: list[str]) -> None:
    assert shell.run(members[0], home.stop("bitbucket"), timeout=30).output.endswith("stopped\n")
    directory = estate.machines.directory(f"{CLUSTER}-nodes_0-1")
    assert (directory / "bitbucket.state").read_text() == "inactive\n"
    assert shell.run(members[0], home.start("bitbucket"), timeout=30).output == "started\n"
    assert (directory / "bitbucket.state").read_text() == "active\n"


def test_a_machine_that_is_another_by_now_is_not_commanded(shell: AzureShell, members: list[str]) -> None:
    number = members[0].partition("-")[0]
    with pytest.raises(NotFound, match="there is no machine"):
        shell.run(f"{number}-00000000", "true", timeout=30)


def test_a_machine_without_an_agent_is_not_found(shell: AzureShell, members: list[str], faults: Scripted) -> None:
    faults.deaf.add(f"{CLUSTER}-nodes_1-1")
    with pytest.raises(NotFound, match="cannot be commanded"):
        shell.run(members[1], "true", timeout=30)
    faults.deaf.clear()


def test_a_machine_that_is_off_is_not_found(shell: AzureShell, estate: Estate) -> None:
    server = shell.file_server()
    estate.clients.compute.virtual_machines.begin_power_off(GROUP, "file-server", **WAIT).result()
    with pytest.raises(NotFound, match="it is stopped"):
        shell.run(server, "true", timeout=30)
    estate.clients.compute.virtual_machines.begin_start(GROUP, "file-server", **WAIT).result()


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


def test_a_command_is_sent_once(shell: AzureShell, faults: Scripted, estate: Estate) -> None:
    faults.seen.clear()
    action = "POST virtualMachines/runCommand"
    faults.lost.append(action)
    with pytest.raises(Unavailable):
        shell.run(shell.file_server(), "true", timeout=30)
    assert faults.seen.count(action) == 1
    faults.lost.clear()
    for script in list(estate.world.commands.going):
        script.process.wait(10)
    estate.settle(1)


def test_the_file_server_is_the_one_with_the_role(shell: AzureShell, azure: Azure, estate: Estate) -> None:
    assert shell.file_server().endswith("/virtualmachines/file-server")
    with pytest.raises(NotFound, match="no file server"):
        AzureShell(azure.caller(), "another").file_server()
    machine(estate, "second", "file-server", ("spare",))
    with pytest.raises(Unexpected, match="file-server, second"):
        shell.file_server()
    estate.clients.compute.virtual_machines.begin_delete(GROUP, "second", **WAIT).result()


def test_the_script_inside_keeps_every_line() -> None:
    script = "cat <<'END'\n$x `y` \\ \"z\"\nEND\n"
    assert script in wrapped(script, 5)


def line(when: str, token: str) -> str:
    return f"{when} INFO  [hz.thread-1] c.a.s The system has been locked. It may be unlocked with token: {token}\n"


def test_lost_tokens_are_found_newest_first_and_hidden(azure: Azure, shell: AzureShell, estate: Estate) -> None:
    for number in (0, 1):
        log = estate.machines.directory(f"{CLUSTER}-nodes_{number}-1") / f"root{HOME}/log/atlassian-bitbucket.log"
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(
            "2026-11-21 09:59:59,000 INFO  [main] started\n"
            + line(f"2026-11-21 10:00:0{number},000", f"tok-{number}")
            + line("2026-11-20 10:00:00,000", "older")
        )
    redactor = Redactor()
    logs = AzureNodeLogs(azure.caller(), CLUSTER, shell, HOME, redactor)
    assert logs.unlock_tokens() == ("tok-1", "tok-0", "older")
    assert "tok-1" not in redactor.text("token tok-1")


def test_a_node_that_cannot_be_asked_is_left_out(
    azure: Azure, shell: AzureShell, estate: Estate, faults: Scripted
) -> None:
    faults.deaf.update({f"{CLUSTER}-nodes_0-1", f"{CLUSTER}-nodes_1-1"})
    assert AzureNodeLogs(azure.caller(), CLUSTER, shell, HOME, Redactor()).unlock_tokens() == ()
    faults.deaf.clear()
