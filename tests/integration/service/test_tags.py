"""Tags (API Reference: TagResource)."""

from __future__ import annotations

import pytest

from tests.integration.service.inside import Inside

ARN = "arn:aws:states:us-east-1:123456789012:stateMachine:jobs"


def tags(*keys: str) -> list[dict[str, str]]:
    return [{"key": key, "value": "v"} for key in keys]


async def test_a_machine_has_fifty_tags_at_the_most(inside: Inside) -> None:
    """At its creation, and all together later; a known key with a new value is none more."""
    fifty = tags(*(f"k{number}" for number in range(50)))
    created = await inside.error(
        "CreateStateMachine", name="many", definition='{"States":1}',
        roleArn="arn:aws:iam::123456789012:role/r", tags=[*fifty, *tags("one more")],
    )  # fmt: skip
    await inside.create(tags=fifty)

    added = await inside.error("TagResource", resourceArn=ARN, tags=tags("one more"))

    assert created[0] == added[0] == "TooManyTags"
    assert await inside.call("TagResource", resourceArn=ARN, tags=tags("k1")) == {}


@pytest.mark.parametrize("key", ["aws:team", "AWS:team", "a&b", "a|b"])
async def test_a_key_that_may_not_be_is_refused(inside: Inside, key: str) -> None:
    """AWS keeps `aws:` for itself, and allows but a few symbols."""
    await inside.create()

    assert (await inside.error("TagResource", resourceArn=ARN, tags=tags(key)))[0] == "ValidationException"


async def test_letters_of_all_languages_and_some_symbols_are_allowed(inside: Inside) -> None:
    """As the API Reference lists them."""
    await inside.create()

    await inside.call("TagResource", resourceArn=ARN, tags=tags("größe 7_.:/=+-@"))

    assert (await inside.call("ListTagsForResource", resourceArn=ARN))["tags"] == tags("größe 7_.:/=+-@")


async def test_what_is_not_there_has_no_tags(inside: Inside) -> None:
    """ResourceNotFound; an execution is nothing that has tags."""
    execution = ARN.replace("stateMachine", "execution") + ":one"

    missing = await inside.error("ListTagsForResource", resourceArn=ARN)
    other = await inside.error("ListTagsForResource", resourceArn=execution)

    assert missing == ("ResourceNotFound", f"Resource not found: '{ARN}'")
    assert other == ("InvalidArn", "Invalid Arn: 'Resource type not valid in this context: execution'")
