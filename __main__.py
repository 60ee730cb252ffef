"""The program: one Bitbucket cluster, and its rolling upgrade when the version changes.

Order: the window opens the upgrade, then the model takes the new version, then the roll replaces the nodes. Any node
that the cloud starts in between would otherwise carry a version that may not join yet.
"""

import pulumi

from automation.program import roll, upgrade_window
from components.config import read
from components.estates import declare

program = read(pulumi.Config(), pulumi.get_stack())

window = upgrade_window(
    "upgrade-window",
    cluster=program.cluster,
    target=program.version,
    settings=program.settings,
)
cluster = declare("bitbucket", program, window.version)
roll(
    "roll",
    window=window,
    cluster=program.cluster,
    target=program.version,
    settings=program.settings,
    opts=pulumi.ResourceOptions(depends_on=[cluster]),
)

for name, value in cluster.exports().items():
    pulumi.export(name, value)
