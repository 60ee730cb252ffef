"""A manifest says everything of a set, and whatever is no manifest is refused with a sentence."""

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from automation.core.backups.manifest import from_json, to_json
from automation.core.backups.sets import BackupSet
from tests.core.backups.sets import good_set, sets

pytestmark = pytest.mark.property

thrifty = settings(max_examples=100, deadline=None)
scalars = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=5)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)


@thrifty
@given(sets)
def test_a_set_is_the_same_after_it_was_written_and_read(found):
    assert from_json(json.loads(json.dumps(to_json(found)))) == found


@thrifty
@given(sets)
def test_what_is_computed_is_written_but_not_believed(found):
    document = to_json(found)
    assert document["size_bytes"] == found.size
    document["size_bytes"], document["skew_seconds"] = -1, -1.0
    assert from_json(document) == found


@pytest.mark.parametrize("key", sorted(set(to_json(good_set())) - {"size_bytes", "skew_seconds"}))
def test_a_field_that_is_missing_is_named(key):
    document = to_json(good_set())
    del document[key]
    with pytest.raises(ValueError, match=key):
        from_json(document)


@thrifty
@given(st.sampled_from(sorted(to_json(good_set()))), anything)
def test_a_field_of_any_kind_is_read_or_refused_and_never_an_accident(key, value):
    document = to_json(good_set()) | {key: value}
    with suppress(ValueError):
        assert isinstance(from_json(document), BackupSet)


@thrifty
@given(anything)
def test_anything_else_is_no_manifest(document):
    with pytest.raises(ValueError, match="manifest"):
        from_json(document)


def test_a_manifest_of_a_later_schema_is_not_guessed_at():
    with pytest.raises(ValueError, match="schema 2"):
        from_json(to_json(good_set()) | {"schema": 2})
