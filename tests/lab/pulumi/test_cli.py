"""The command line: parsing, help, refusals, and what each quick command prints. All in this process."""

import json
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lab.pulumi.__main__ import run
from lab.pulumi.arguments import parse, render_help
from lab.pulumi.commands.table import COMMANDS, SHARED
from lab.pulumi.errors import UsageError
from lab.pulumi.session import Session
from lab.pulumi.version import CLI_VERSION


@dataclass
class Console:
    """Runs commands in one project and keeps what they print."""

    cwd: Path
    env: dict[str, str]
    out: list[str] = field(default_factory=list)
    err: list[str] = field(default_factory=list)

    def __call__(self, *args: str, stdin: str = "") -> int:
        self.out.clear()
        self.err.clear()
        return run(args, Session(self.cwd, self.env, self.out.append, self.err.append, read=lambda: stdin))

    @property
    def text(self) -> str:
        return "\n".join(self.out)


@pytest.fixture
def pulumi(tmp_path: Path) -> Console:
    (tmp_path / "Pulumi.yaml").write_text("name: demo\nruntime: python\n", encoding="utf-8")
    env = {
        "HOME": str(tmp_path / "home"),
        "PULUMI_BACKEND_URL": f"file://{tmp_path}/state",
        "PULUMI_CONFIG_PASSPHRASE": "x",
    }
    console = Console(tmp_path, env)
    assert console("stack", "init", "dev") == 0
    return console


def parsed(*argv: str, **env: str) -> dict[str, tuple[str, ...]]:
    return dict(parse(argv, env, COMMANDS, SHARED).values)


def test_flags_stand_anywhere() -> None:
    invocation = parse(["--non-interactive", "stack", "-s", "dev", "output", "--json", "name"], {}, COMMANDS, SHARED)
    assert invocation.command.words == ("stack", "output")
    assert invocation.positionals == ("name",)
    assert invocation.text("stack") == "dev"
    assert invocation.on("json")


def test_flags_take_values_in_every_spelling() -> None:
    for argv in (
        ["up", "--stack", "dev"],
        ["up", "--stack=dev"],
        ["up", "-s", "dev"],
        ["up", "-sdev"],
        ["up", "-s=dev"],
    ):
        assert parsed(*argv) == {"stack": ("dev",)}, argv


def test_after_two_dashes_everything_is_an_argument() -> None:
    invocation = parse(["config", "set", "key", "--secret", "--", "--value"], {}, COMMANDS, SHARED)
    assert invocation.positionals == ("key", "--value")


def test_an_option_variable_stands_in_for_a_flag() -> None:
    assert parsed("config", "get", "k", PULUMI_OPTION_CONFIG_FILE="f") == {"config-file": ("f",)}
    assert parsed("stack", "init", "dev", PULUMI_OPTION_CONFIG_FILE="f") == {"config-file": ("f",)}
    assert parsed("up", "--parallel", "2", PULUMI_OPTION_PARALLEL="9") == {"parallel": ("2",)}
    assert parsed("version", PULUMI_OPTION_PARALLEL="9") == {}


@pytest.mark.parametrize(
    "argv",
    [["up", "--no-such"], ["nonsense"], ["up", "extra"], ["up", "--stack"], ["stack", "init", "a", "b"]],
)
def test_a_wrong_command_line_is_refused(argv: list[str]) -> None:
    with pytest.raises(UsageError):
        parse(argv, {}, COMMANDS, SHARED)


def test_every_command_has_help() -> None:
    for command in COMMANDS.values():
        assert command.help in render_help(command, COMMANDS, SHARED)


def test_every_command_has_a_handler(pulumi: Console) -> None:
    for command in set(COMMANDS.values()):
        if command.handler and command.words:
            assert pulumi(*command.words, "--help") == 0


@pytest.mark.parametrize("args", [["new"], ["import"], ["watch"], ["policy", "ls"], ["config", "env", "add", "x"]])
def test_what_is_not_supported_says_so(pulumi: Console, args: list[str]) -> None:
    assert pulumi(*args) == 255
    assert "not supported by the lab's engine" in pulumi.err[0]


@pytest.mark.parametrize(
    "flag", ["--policy-pack=p", "--plan=p", "--save-plan=p", "--run-program=true", "--continue-on-error"]
)
def test_flags_that_are_not_supported_say_so(pulumi: Console, flag: str) -> None:
    assert pulumi("destroy", "--yes", flag) == 255
    assert flag.split("=", maxsplit=1)[0] in pulumi.err[0]


def test_version_and_whoami(pulumi: Console) -> None:
    pulumi("version")
    assert pulumi.out == [f"v{CLI_VERSION}"]
    pulumi("whoami", "--json")
    assert json.loads(pulumi.text)["url"] == pulumi.env["PULUMI_BACKEND_URL"]


def test_outside_a_project(pulumi: Console, tmp_path: Path) -> None:
    pulumi.cwd = Path("/")
    assert pulumi("preview") == 255
    assert pulumi.err[0].startswith("error: no Pulumi.yaml project file found")
    assert pulumi("version") == 0
    assert pulumi("-C", str(tmp_path), "stack", "ls") == 0


def test_stacks_are_listed_selected_and_removed(pulumi: Console) -> None:
    pulumi("stack", "init", "prod")
    pulumi("stack", "ls", "--json")
    assert [(entry["name"], entry["current"]) for entry in json.loads(pulumi.text)] == [("dev", False), ("prod", True)]
    assert pulumi("stack", "select", "dev") == 0
    pulumi("stack", "--show-name")
    assert pulumi.out == ["dev"]
    assert pulumi("stack", "rm", "prod") == 255, "nobody to ask"
    assert pulumi("stack", "rm", "prod", "--yes") == 0
    assert pulumi("stack", "select", "prod") == 255
    assert pulumi.err == ["error: no stack named 'prod' found"]
    assert pulumi("stack", "init", "dev") == 255
    assert "stack 'organization/demo/dev' already exists" in pulumi.err[0]


def test_the_environment_names_the_stack(pulumi: Console) -> None:
    pulumi("stack", "init", "prod")
    pulumi.env["PULUMI_STACK"] = "dev"
    pulumi("stack", "--show-name")
    assert pulumi.out == ["dev"]
    pulumi("stack", "--show-name", "--stack", "organization/demo/prod")
    assert pulumi.out == ["prod"]


def test_config_values(pulumi: Console, tmp_path: Path) -> None:
    pulumi("config", "set", "version", "7.9.4")
    pulumi("config", "set", "aws:region", "eu-west-1")
    pulumi("config", "set", "--path", "nodes.sizes[0]", "3")
    pulumi("config", "set", "--path", "nodes.sizes[1]", "4")
    pulumi("config", "set", "token", "--secret", stdin="s3cret\n")
    pulumi("config", "get", "version")
    assert pulumi.out == ["7.9.4"]
    pulumi("config", "get", "--path", "nodes.sizes[1]", "--json")
    assert json.loads(pulumi.text) == {"value": "4", "secret": False}
    pulumi("config", "--json")
    shown = json.loads(pulumi.text)
    assert shown["demo:nodes"] == {"value": '{"sizes":[3,4]}', "objectValue": {"sizes": [3, 4]}, "secret": False}
    assert shown["demo:token"] == {"secret": True}
    pulumi("config", "get", "token")
    assert pulumi.out == ["s3cret"]
    text = (tmp_path / "Pulumi.dev.yaml").read_text(encoding="utf-8")
    assert "s3cret" not in text
    assert "version: 7.9.4" in text
    pulumi("config", "rm", "version")
    assert pulumi("config", "get", "version") == 255
    assert pulumi.err == ["error: configuration key 'version' not found for stack 'dev'"]


def test_config_of_many(pulumi: Console) -> None:
    pulumi("config", "set-all", "--plaintext", "a=1,2", "--plaintext", "b=x=y", "--secret", "c=hidden")
    pulumi("config", "--show-secrets", "--json")
    shown = json.loads(pulumi.text)
    assert {key: value["value"] for key, value in shown.items()} == {
        "demo:a": "1,2",
        "demo:b": "x=y",
        "demo:c": "hidden",
    }
    pulumi("config", "rm-all", "a", "c")
    pulumi("config")
    assert [line.split() for line in pulumi.out] == [["KEY", "VALUE"], ["b", "x=y"]]


def test_another_passphrase_opens_nothing(pulumi: Console) -> None:
    pulumi("config", "set", "token", "hidden", "--secret")
    pulumi.env["PULUMI_CONFIG_PASSPHRASE"] = "y"
    assert pulumi("config", "get", "token") == 255
    assert pulumi.err == ["error: incorrect passphrase"]
    del pulumi.env["PULUMI_CONFIG_PASSPHRASE"]
    assert pulumi("config", "get", "token") == 255
    assert "passphrase must be set" in pulumi.err[0]
    (pulumi.cwd / "phrase").write_text("x\n", encoding="utf-8")
    pulumi.env["PULUMI_CONFIG_PASSPHRASE_FILE"] = str(pulumi.cwd / "phrase")
    assert pulumi("config", "get", "token") == 0


def test_other_backends_are_refused(pulumi: Console) -> None:
    pulumi.env["PULUMI_BACKEND_URL"] = "s3://bucket"
    assert pulumi("stack", "ls") == 255
    assert "only file:// backends are supported" in pulumi.err[0]


def test_cancel_releases_a_lock(pulumi: Console) -> None:
    pulumi("cancel", "--yes")
    assert pulumi.out == ["There is no update in progress on stack 'dev'."]
    directory = pulumi.cwd / "state/.pulumi/locks/organization/demo/dev"
    directory.mkdir(parents=True)
    (directory / "x.json").write_text("{}", encoding="utf-8")
    pulumi("cancel", "--yes")
    assert "has been canceled" in pulumi.out[0]
    assert not list(directory.iterdir())
