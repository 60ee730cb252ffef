"""``bbdc stage``: a copy of the estate, built from a set, to rehearse on."""

from __future__ import annotations

import sys
from typing import Annotated

from cyclopts import Parameter

from automation.cli import restore_shapes as shapes
from automation.cli.commands.options import Json, Yes
from automation.cli.commands.restore import progress_of
from automation.cli.commands.upgrade import refuse_unasked
from automation.cli.exit_codes import ExitCode
from automation.cli.output import emit_event, say
from automation.cli.restore_board import RestoreBoard, show_findings
from automation.cli.trouble import redactor
from automation.core.restores.staging import Wish
from automation.engine.restores.stage import Staged, StagePlan
from automation.ports.errors import Refused
from automation.restoring import Restores

From = Annotated[str, Parameter(name="--from", help="Id or name of the set, or `newest`.")]
Stack = Annotated[str, Parameter(name="--stack", help="Name of the new Pulumi stack.")]
Nodes = Annotated[int | None, Parameter(name="--nodes", help="Number of nodes; as many as the source when left out.")]
InstanceType = Annotated[str, Parameter(name="--instance-type", help="EC2 type, or Azure's size, of its nodes.")]
DatabaseClass = Annotated[str, Parameter(name="--database-class", help="RDS class, or Azure's size, of its database.")]
Network = Annotated[str, Parameter(name="--vpc-cidr", help="Its network; one beside the source's when left out.")]
Url = Annotated[
    str,
    Parameter(name="--url", env_var="BBDC_STAGE_URL", help="Where the copy is reached from here, such as a tunnel."),
]
DryRun = Annotated[bool, Parameter(name="--dry-run", negative=(), help="Only show what would be built.")]


def stage(
    *,
    set_name: From,
    stack: Stack,
    nodes: Nodes = None,
    instance_type: InstanceType = "",
    database_class: DatabaseClass = "",
    vpc_cidr: Network = "",
    url: Url = "",
    dry_run: DryRun = False,
    yes: Yes = False,
    json: Json = False,
) -> int:
    """Build a copy of the estate from a set, as a second stack of the same program, and make it quiet.

    Its config is the source's, but for name, addresses, search, sizes and data. Then its mail server is removed, and
    every webhook made inactive. It has no protection: `pulumi destroy` removes it.
    """
    if not dry_run:
        refuse_unasked(yes=yes, as_json=json)
    board = RestoreBoard(as_json=json)
    restores = Restores.of(redactor=redactor(), on_event=progress_of(board))
    planned = restores.plan_stage(set_name, Wish(stack, nodes, instance_type, database_class, vpc_cidr, url))
    _show(planned, as_json=json)
    if (refused := planned.refused) is not None:
        raise Refused(refused.name, f"refused by {refused.name}: {refused.detail}", hint="nothing was made")
    if dry_run:
        return ExitCode.OK
    if not yes:
        _confirm(planned)
    return _end(restores.stage(planned, say=board.note), as_json=json)


def _show(planned: StagePlan, *, as_json: bool) -> None:
    if as_json:
        emit_event("plan", plan=shapes.of_stage_plan(planned))
        return
    say(f"Stack {planned.wish.stack} from set {planned.found.id}, Bitbucket {planned.found.version}")
    for key, setting in sorted(planned.config.items()):
        say(f"  {key}: {'(secret)' if setting.secret else setting.value}")
    show_findings(planned.findings)


def _confirm(planned: StagePlan) -> None:
    sys.stdout.write(f"Build {planned.wish.stack} now? [y/N] ")
    sys.stdout.flush()
    if sys.stdin.readline().strip().lower() not in {"y", "yes"}:
        raise Refused("not_confirmed", "nothing was made: the question was not answered with yes")


def _end(staged: Staged, *, as_json: bool) -> int:
    if as_json:
        emit_event("result", stage=shapes.of_staged(staged), exit_code=int(ExitCode.OK))
        return ExitCode.OK
    say(f"{staged.stack} serves at {staged.url}")
    say(f"mail server {'removed' if staged.mail else 'was none'}; {staged.webhooks} webhooks made inactive")
    if staged.mirrors:
        say(f"it remembers the mirrors {', '.join(staged.mirrors)}: they go on following the source; delete them there")
    return ExitCode.OK
