"""The lines of Bitbucket's log that tell an unlock token: as they are written, cut short, or about something else."""

from __future__ import annotations

import pytest

from automation.adapters.host.unlock_lines import Told, read, script

LINE = "2026-11-21 10:00:00,002 INFO  [hz.hazelcast.cached.thread-1] c.a.s.i.m.DefaultMaintenanceService {}"


@pytest.mark.parametrize(
    "said",
    [
        "The system has been locked for maintenance by admin. It may be unlocked with token: bbb222",
        "The system has been locked for maintenance by admin. It may be unlocked with token: bbb222.",
        "It may be unlocked with token bbb222  ",
    ],
)
def test_a_token_is_read_with_its_time(said):
    assert read(LINE.format(said)) == (Told("2026-11-21 10:00:00,002", "bbb222"),)


def test_a_line_without_a_time_is_the_oldest():
    assert read("It may be unlocked with token: aaa111") == (Told("", "aaa111"),)


@pytest.mark.parametrize("said", ["", "It may be unlocked with nothing", "It may be unlocked with token:"])
def test_other_lines_tell_nothing(said):
    assert read(LINE.format(said)) == ()


def test_the_log_is_looked_for_below_the_home():
    assert '"${BBDC_ROOT:-}/home/of/bitbucket/log/atlassian-bitbucket.log"' in script("/home/of/bitbucket")
