"""A process with a whole AWS world and the provider in front of it; says where, and ends with its standard input."""

import json
import sys
import tempfile
from pathlib import Path

from lab.aws.plain import PlainMachines
from lab.aws.world import ACCESS_KEY, REGION, SECRET_KEY, AwsWorld, RealClock
from lab.pulumi.aws.server import serve


def main() -> None:
    clock = RealClock()
    with tempfile.TemporaryDirectory() as directory:
        machines = PlainMachines(Path(directory), clock)
        with AwsWorld(machines, clock=clock, probe=machines.probe, tick=0.2) as world:
            provider = serve(endpoint=world.url, region=REGION, access_key=ACCESS_KEY, secret_key=SECRET_KEY)
            sys.stdout.write(json.dumps({"endpoint": world.url, "port": provider.port}) + "\n")
            sys.stdout.flush()
            sys.stdin.read()
            provider.stop()


if __name__ == "__main__":
    main()
