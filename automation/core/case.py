"""One pass's case: the observation, the memory and the settings, with the questions the rules ask of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from automation.core.cluster import Member, NodeState, Observation, OwnView
from automation.core.decision import ActName
from automation.core.roll import Memory, Plan, RollSettings
from automation.core.versions import same_version


@dataclass(frozen=True)
class Case:
    """What a rule looks at; immutable, and without any way to reach outside."""

    seen: Observation
    memory: Memory
    settings: RollSettings

    @property
    def plan(self) -> Plan:
        """What the roll set out to do."""
        return self.memory.plan

    @property
    def now(self) -> float:
        """When the world was observed."""
        return self.seen.at

    @property
    def is_rollback(self) -> bool:
        """True when the target is the version that the cluster ran before the upgrade opened."""
        return same_version(self.plan.target, self.plan.original)

    @property
    def floor(self) -> int:
        """Nodes that must go on serving while one is taken out."""
        asked = self.settings.minimum_serving
        return self.plan.floor if asked is None else asked

    @cached_property
    def staying(self) -> tuple[Member, ...]:
        """Machines that the cloud is not already taking away."""
        return tuple(m for m in self.seen.members if not m.is_leaving)

    @cached_property
    def outdated(self) -> tuple[Member, ...]:
        """Staying machines that do not run the target."""
        return tuple(m for m in self.staying if not self._is_made_for_target(m))

    @cached_property
    def current(self) -> tuple[Member, ...]:
        """Staying machines that run the target, or will once they have booted."""
        return tuple(m for m in self.staying if self._is_made_for_target(m))

    def _is_made_for_target(self, member: Member) -> bool:
        # What the machine was made from decides, not what runs on it: a machine of the new model that comes up with
        # another version has failed, and must not be replaced for ever as if it were an old one.
        return same_version(member.instance.version or member.version, self.plan.target)

    @cached_property
    def unproven(self) -> tuple[Member, ...]:
        """Current machines that have not (or no longer) passed health and soak; the troubled ones first."""
        rest = [m for m in self.current if m.id not in self.memory.proven]
        return tuple(sorted(rest, key=lambda m: (not self.is_condemned(m), m.state is not NodeState.ERROR, m.id)))

    @property
    def surplus(self) -> int:
        """Staying machines beyond the planned count."""
        return len(self.staying) - self.plan.planned

    @cached_property
    def surplus_members(self) -> tuple[Member, ...]:
        """When every node is current and there is one too many: the newest, to be retired."""
        if self.outdated or self.surplus <= 0:
            return ()
        marked = [m for m in self.current if self.has_acted(ActName.DEREGISTER, m)]
        newest = sorted(self.current, key=lambda m: (m.instance.launched or 0.0, m.id), reverse=True)
        return tuple((marked or newest)[:1])

    def has_acted(self, name: ActName, member: Member) -> bool:
        """Tell whether this run carried out the act on that machine."""
        return f"{name}:{member.id}" in self.memory.acted

    def seconds_since(self, name: ActName, member: Member) -> float:
        """Seconds since the act; infinitely many when it never happened."""
        done = self.memory.acted.get(f"{name}:{member.id}")
        return float("inf") if done is None else self.now - done

    def is_condemned(self, member: Member) -> bool:
        """Tell whether a new node was counted as failed and waits for its replacement."""
        return any(failure.instance == member.id for failure in self.memory.failures)

    def launched(self, member: Member) -> float:
        """When the machine was launched, as the cloud says, or else when it was first seen."""
        known = member.instance.launched
        return known if known is not None else self.memory.first_seen.get(member.id, self.now)

    def seconds_unwell(self, member: Member) -> float:
        """Seconds since the machine was launched, or was last seen joined and healthy."""
        begun = self.launched(member)
        return self.now - max(begun, self.memory.last_healthy.get(member.id, begun))

    def others(self, member: Member) -> frozenset[str]:
        """Addresses that a member of the cluster must see: everyone else who is ACTIVE or gets requests."""
        return frozenset(
            other.instance.address
            for other in self.staying
            if other.id != member.id and other.instance.address and (other.is_active or other.is_healthy)
        )

    def runs_alone(self, member: Member) -> bool:
        """Tell whether a node says RUNNING and sees nobody: a second cluster on the same database.

        ``/status`` RUNNING is not joined; only the node's own ``admin/cluster`` tells (facts: a node that finds nobody
        starts alone against the same database and shared home). Of two that do not see each other the younger is the
        lone one: the other was there before it, even if the balancer happens to let the lone one speak for the cluster.
        """
        view, others = member.view, self.others(member)
        if view is None or view.status != "RUNNING" or view.members is None or view.members & others:
            return False
        return any(self.launched(m) < self.launched(member) for m in self.staying if m.instance.address in others)

    def has_joined(self, member: Member) -> bool:
        """Tell whether a new node is ACTIVE on the target and itself sees every other member."""
        node, view = member.node, member.view or OwnView(None, None)
        if node is None or not member.is_active or not same_version(node.version, self.plan.target):
            return False
        if member.id in self.memory.proven:
            return True
        return view.status == "RUNNING" and view.members is not None and view.members >= self.others(member)
