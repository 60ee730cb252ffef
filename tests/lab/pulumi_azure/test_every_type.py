"""Every type that the estate has: made, unchanged, read, imported."""

import pytest

from tests.lab.pulumi_aws.harness import Live
from tests.lab.pulumi_azure.harness import PLAIN, Estate, kind


@pytest.mark.parametrize("name", PLAIN)
def test_what_was_made_is_what_was_asked_for(estate: Estate, name: str) -> None:
    live, token = estate.have(name), kind(name)
    assert live.id.lower() == str(estate.document(live.id).get("id", live.id)).lower()
    assert not estate.engine.diff(token, live, estate.wanted(name)).diffs
    read = estate.engine.read(token, live)
    assert read is not None
    assert read.inputs == live.inputs
    imported = estate.engine.read(token, Live(live.id, {}, {}))
    assert imported is not None
    parameters = {key: value for key, value in live.inputs.items() if key.endswith("Name") and key != "friendlyName"}
    assert parameters.items() <= {**live.inputs, **imported.inputs}.items()
    assert imported.inputs["resourceGroupName"] == estate.group
