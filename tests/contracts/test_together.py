"""``ports.together.Together``: what every implementation must do."""

from __future__ import annotations

import pytest

from automation.adapters.together import Threads
from automation.ports.errors import Conflict, Unavailable
from automation.ports.together import Together
from lab.sim.safe import Sequentially

IMPLEMENTATIONS = {"threads": Threads, "sequentially": Sequentially}


@pytest.fixture(params=sorted(IMPLEMENTATIONS))
def together(request: pytest.FixtureRequest) -> Together:
    return IMPLEMENTATIONS[request.param]()


def fail(error: BaseException):
    raise error


def test_answers_come_in_the_order_of_the_calls(together):
    assert together([lambda n=n: n for n in range(8)]) == tuple(range(8))
    assert together([lambda: "one"]) == ("one",)
    assert together([]) == ()


def test_our_errors_are_answers(together):
    one, two = Conflict("no"), Unavailable("later")
    assert together([lambda: fail(one), lambda: 2, lambda: fail(two)]) == (one, 2, two)
    assert together([lambda: fail(one)]) == (one,)


@pytest.mark.parametrize("others", [0, 2])
def test_a_defect_is_raised_when_all_are_over(together, others):
    ended = []
    calls = [lambda: fail(KeyError("defect")), *[lambda: ended.append(1)] * others]
    with pytest.raises(KeyError, match="defect"):
        together(calls)
    assert len(ended) == others
