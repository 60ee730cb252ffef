"""The first deployment where no cloud puts machines into the balancer: who has joined is let in, nobody else."""

import pytest

from automation.engine.admit import admit
from automation.ports.errors import Unavailable
from lab.sim.flavours import AWS_LIKE, AZURE_LIKE

pytestmark = pytest.mark.simulation


def estate():
    """An estate whose nodes run and are in no balancer."""
    made = AZURE_LIKE.estate()
    made.cloud.empty_the_pools()
    return made, made.world


def registered(made):
    return sorted(m.id for m in made.cloud.machines.values() if m.registered == set(made.settings.target_groups))


def test_every_joined_node_is_registered_once_and_then_serves():
    made, world = estate()
    nodes = sorted(made.cloud.machines)
    assert sorted(admit(world, planned=None, timeout=60, poll=1)) == nodes
    assert registered(made) == nodes
    assert admit(world, planned=3, timeout=60, poll=1) == ()


def test_a_node_that_does_not_run_is_waited_for_and_not_let_in():
    made, world = estate()
    dead = min(made.cloud.machines)
    made.bitbucket.kill(dead, made.clock.now())
    with pytest.raises(Unavailable, match="2 of 3"):
        admit(world, planned=3, timeout=30, poll=5)
    assert registered(made) == sorted(set(made.cloud.machines) - {dead})


def test_where_the_cloud_registers_by_itself_nothing_is_asked():
    made = AWS_LIKE.estate()
    for machine in made.cloud.machines.values():
        machine.registered = set()
    assert admit(made.world, planned=3, timeout=0, poll=1) == ()
    assert registered(made) == []
