from __future__ import annotations

from dataclasses import replace

import pytest

from lab.invariants import CHECKS, ImpossibleWorld, Seen, SeenNode, Witness, check, refuse


def nodes(*states: str, versions: tuple[str, ...] = ()) -> tuple[SeenNode, ...]:
    named = versions or ("7.9.0",) * len(states)
    return tuple(SeenNode(f"i-{n}", v, s) for n, (s, v) in enumerate(zip(states, named, strict=True)))


WELL = Seen(desired=3, nodes=nodes("ACTIVE", "ACTIVE", "ACTIVE"), serving=3, upgrade_mode=False)


def test_a_well_cluster_breaks_nothing() -> None:
    assert check(WELL, 3) == {}


@pytest.mark.parametrize(
    ("broken", "seen"),
    [
        ("serving_floor", replace(WELL, serving=1)),
        ("one_node_moves", replace(WELL, nodes=nodes("ACTIVE", "DRAINING", "STARTING"))),
        ("one_node_moves", replace(WELL, nodes=nodes("ACTIVE", "ERROR", "TERMINATING"))),
        ("legal_versions", replace(WELL, nodes=nodes("ACTIVE", "ACTIVE", versions=("7.9.0", "7.9.4")))),
        (
            "legal_versions",
            replace(WELL, nodes=nodes("ACTIVE", "ACTIVE", versions=("7.9.0", "7.10.0")), upgrade_mode=True),
        ),
        ("one_cluster", replace(WELL, split=True)),
    ],
)
def test_what_breaks(broken: str, seen: Seen) -> None:
    assert set(check(seen, 3)) == {broken}
    assert broken in CHECKS


def test_a_roll_in_good_order_breaks_nothing() -> None:
    moving = nodes("ACTIVE", "STARTING", "ACTIVE", versions=("7.9.0", "7.9.4", "7.9.0"))
    assert check(Seen(3, moving, 2, upgrade_mode=True, original="7.9.0"), 3) == {}


def test_a_single_node_must_go_on_serving() -> None:
    assert set(check(Seen(1, nodes("DRAINING"), 0, upgrade_mode=True), 1)) == {"serving_floor"}


def test_nothing_is_asked_of_an_estate_that_nobody_wants() -> None:
    assert check(Seen(0, nodes("TERMINATING", "DRAINING"), 0, upgrade_mode=False), 3) == {}


def test_the_witness_begins_with_a_complete_estate_and_keeps_beginning_and_end() -> None:
    witness = Witness(planned=3)
    assert witness.look(replace(WELL, serving=0), at=1.0) == []
    assert not witness.complete
    assert witness.look(WELL, at=2.0) == []
    (breach,) = witness.look(replace(WELL, serving=1), at=3.0, faults=["crash"])
    assert witness.look(replace(WELL, serving=1), at=4.0) == []
    assert (breach.name, breach.since, breach.until, breach.faults) == ("serving_floor", 3.0, None, ("crash",))
    witness.look(WELL, at=5.0)
    assert breach.until == 5.0
    assert witness.checks == 3


@pytest.mark.parametrize(
    "wrong",
    [{"nodes": 0}, {"nodes": 10}, {"version": "7.9"}, {"version": "newest"}, {"cloud": "moon"}, {"tempo": 0.0}],
)
def test_impossible_worlds_are_refused(wrong: dict[str, object]) -> None:
    possible: dict[str, object] = {"nodes": 3, "version": "7.9.0", "cloud": "aws", "tempo": 5.0}
    refuse(**possible)  # type: ignore[arg-type]  # a table of arguments
    with pytest.raises(ImpossibleWorld):
        refuse(**(possible | wrong))  # type: ignore[arg-type]  # a table of arguments
