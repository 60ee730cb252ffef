from __future__ import annotations

import re
from pathlib import Path

import pytest

from automation.backing import AlreadyLocked
from automation.cli.__main__ import run
from automation.cli.exit_codes import ExitCode, Stopped, Usage, code_of, code_of_outcome
from automation.cli.trouble import told
from automation.core.roll import Ending, Outcome
from automation.engine.backups.ends import CloudSilent, InvalidSet, LeftPending, StillLocked
from automation.ports import errors

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "exit-codes.md"
TABLE = [
    (Usage("x"), 2),
    (errors.Refused("version_rule", "x"), 3),
    (Stopped(Outcome(Ending.PAUSED, "soak", "x"), "a:1", hint=""), 4),
    (InvalidSet("x"), 9),
    (StillLocked("x"), 10),
    (LeftPending("x"), 130),
    (CloudSilent("x"), 6),
    (AlreadyLocked("x"), 7),
    (errors.NotAuthenticated("x"), 5),
    (errors.Forbidden("x", right="SYS_ADMIN"), 5),
    (errors.Unavailable("x"), 6),
    (errors.Throttled("x"), 6),
    (errors.Unreachable("x"), 6),
    (errors.Conflict("x"), 7),
    (errors.NotFound("x"), 8),
    (errors.Unexpected("x"), 1),
    (errors.BbdcError("x"), 1),
    (RuntimeError("x"), 1),
    (KeyboardInterrupt(), 130),
]


@pytest.mark.parametrize(("error", "code"), TABLE, ids=lambda value: type(value).__name__)
def test_every_error_has_its_documented_code(error: BaseException, code: int) -> None:
    assert code_of(error) == code
    assert told(error, ["upgrade"]).code == code


def test_the_table_names_every_error_of_the_tree() -> None:
    ours = {kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.BbdcError)}
    assert ours <= {type(error) for error, _ in TABLE}


def test_the_page_lists_every_code_and_no_other() -> None:
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE.read_text(), re.MULTILINE)}
    assert listed == {int(code) for code in ExitCode}


@pytest.mark.parametrize(("ending", "code"), [(Ending.UPGRADED, 0), (Ending.ROLLED_BACK, 0), (Ending.PAUSED, 4)])
def test_a_rolls_end_has_its_code(ending: Ending, code: int) -> None:
    assert code_of_outcome(Outcome(ending)) == code


def test_a_wrong_command_line_is_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["nonsense"]) == ExitCode.USAGE
    assert "there is no command 'nonsense'" in capsys.readouterr().err
    assert run(["upgrade"]) == ExitCode.USAGE
    assert "bbdc upgrade --help" in capsys.readouterr().err
    assert run(["upgrade", "7.9.4", "--approval", "sometimes"]) == ExitCode.USAGE
    assert run(["status", "--colour"]) == ExitCode.USAGE


def test_help_and_version_end_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == run(["--help"]) == run(["--version"]) == run(["upgrade", "--help"]) == 0
    out = capsys.readouterr().out
    for word in ("preflight", "approve", "lab", "--surge", "--direct"):
        assert word in out
