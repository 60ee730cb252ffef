"""``ports.shell.Shell``: what every implementation must do."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from automation.engine.restores import home
from automation.ports.errors import NotFound, Unavailable, Unexpected
from automation.ports.shell import Result
from tests.contracts.shell_aws import shell_aws
from tests.contracts.shell_azure import shell_azure
from tests.contracts.shell_sim import shell_sim
from tests.contracts.shell_subjects import ShellSubject

CLOUDS: Mapping[str, Callable[[Path], AbstractContextManager[ShellSubject]]] = {"aws": shell_aws, "azure": shell_azure}
SHELLS = {**CLOUDS, "sim": shell_sim}
WHERE_SCRIPTS_RUN = pytest.mark.parametrize("subject", sorted(CLOUDS), indirect=True)


@pytest.fixture(scope="module", params=sorted(SHELLS))
def subject(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ShellSubject]:
    """One estate for all tests here; each leaves it as it was."""
    with SHELLS[request.param](tmp_path_factory.mktemp("shell")) as made:
        yield made


def test_nothing_is_done_well(subject):
    for machine in (*subject.hands.nodes(), subject.shell.file_server()):
        assert subject.shell.run(machine, ":", timeout=30) == Result(0, "")


def test_bitbucket_is_stopped_and_started_on_a_node(subject):
    node, other = subject.hands.nodes()
    assert subject.shell.run(node, home.stop("bitbucket"), timeout=30) == Result(0, "stopped\n")
    assert (subject.hands.unit(node), subject.hands.unit(other)) == ("inactive", "active")
    assert subject.shell.run(node, home.start("bitbucket"), timeout=30) == Result(0, "started\n")
    assert subject.hands.unit(node) == "active"


def test_a_machine_without_an_agent_is_not_found(subject):
    node, other = subject.hands.nodes()
    with subject.hands.deaf(node), pytest.raises(NotFound, match=f"{node} cannot be commanded"):
        subject.shell.run(node, home.stop("bitbucket"), timeout=30)
    assert subject.hands.unit(node) == "active"
    assert subject.shell.run(other, ":", timeout=30).code == 0


def test_a_machine_that_is_gone_is_not_found(subject):
    with pytest.raises(NotFound, match=subject.hands.gone()):
        subject.shell.run(subject.hands.gone(), ":", timeout=30)


def test_a_machine_that_is_off_is_not_found(subject):
    with subject.hands.off() as machine, pytest.raises(NotFound, match="cannot be commanded"):
        subject.shell.run(machine, ":", timeout=30)


@WHERE_SCRIPTS_RUN
def test_a_script_is_run_by_sh_and_all_that_it_says_comes_back(subject):
    script = "set -eu\nname='two  words'\nif true; then\n  printf '%s\\n' \"$name\"\nfi\necho careful >&2\nexit 7\n"
    result = subject.shell.run(subject.shell.file_server(), script, timeout=30)
    assert (result.code, result.output, result.errors) == (7, "two  words\n", "careful\n")


@WHERE_SCRIPTS_RUN
@pytest.mark.parametrize("said", ["no end of line", "\n\n", "bbdc-exit:9\nmore\n", "[stderr]\nnot so\n", "näme  ü\n"])
def test_what_a_script_says_is_not_mistaken(subject, said):
    result = subject.shell.run(subject.shell.file_server(), f"printf '%s' '{said}'", timeout=30)
    assert (result.code, result.output, result.errors) == (0, said, "")


@WHERE_SCRIPTS_RUN
def test_every_line_of_a_script_arrives(subject):
    script = "cat <<'END'\n$x `y` \\ \"z\"\n\n\tEND \nEND\n"
    result = subject.shell.run(subject.shell.file_server(), script, timeout=30)
    assert result == Result(0, '$x `y` \\ "z"\n\n\tEND \n')


@WHERE_SCRIPTS_RUN
@pytest.mark.parametrize("timeout", [0.3, 1.0])
def test_a_script_that_does_not_end_is_given_up(subject, timeout):
    server = subject.shell.file_server()
    with pytest.raises(Unavailable):
        subject.shell.run(server, "sleep 600", timeout=timeout)
    assert subject.shell.run(server, "echo next", timeout=30).output == "next\n"


@WHERE_SCRIPTS_RUN
def test_a_command_is_sent_once_and_a_lost_answer_may_mean_that_it_ran(subject):
    server = subject.shell.file_server()
    with subject.hands.lost_answer() as sent, pytest.raises(Unavailable):
        subject.shell.run(server, ":", timeout=30)
    assert len(sent) == 1


@WHERE_SCRIPTS_RUN
def test_the_file_server_is_the_one_machine_of_this_cluster_with_the_role(subject):
    server = subject.shell.file_server()
    with pytest.raises(NotFound, match="another has no file server"):
        subject.hands.elsewhere().file_server()
    with subject.hands.off():
        assert subject.shell.file_server() == server
    with subject.hands.further_server(), pytest.raises(Unexpected, match="several file servers"):
        subject.shell.file_server()
    assert subject.shell.file_server() == server
