"""What a deploy applies of a preview, what it leaves, and what stops it."""

from __future__ import annotations

import re

from ops.deploy_plan import TARGETS, DeployPlan
from ops.steps import Preview, Step

URN = "urn:pulumi:prod::trawler::"
RELEASE = f"{URN}pulumi-python:dynamic/release:Release::release"
RECORD = f"{URN}pulumi-python:dynamic/release:DeployRecord::deploy"
APPS = f"{URN}trawler:infra:Apps::apps"
APP = f"{URN}trawler:infra:Apps$pulumi-python:dynamic/marathon:App::apps-fetch"
QUEUE = f"{URN}trawler:infra:Queues$aws:sqs/queue:Queue::queues-fetch"
PROVIDER = f"{URN}pulumi:providers:aws::default_7_51_1"


def plan(*steps: Step) -> DeployPlan:
    return DeployPlan.of(Preview(steps))


def test_release_record_and_apps_are_applied_and_the_platform_is_left() -> None:
    found = plan(Step("update", RELEASE), Step("update", APP), Step("create", RECORD), Step("update", QUEUE))
    assert [step.urn for step in found.ours] == [RELEASE, APP, RECORD]
    assert [str(step) for step in found.pending] == ["update queues-fetch"]
    assert found.in_the_way == ()


def test_a_change_of_what_an_app_is_made_of_is_in_the_way_only_where_it_is_not_there_yet() -> None:
    app = Step("update", APP, frozenset({QUEUE, RELEASE}))
    assert plan(app, Step("update", QUEUE)).in_the_way == ()
    assert plan(app, Step("create", QUEUE)).in_the_way == (Step("create", QUEUE),)
    assert plan(app, Step("replace", QUEUE)).in_the_way == (Step("replace", QUEUE),)


def test_a_platform_change_that_no_app_needs_is_never_in_the_way() -> None:
    assert plan(Step("update", APP, frozenset({RELEASE})), Step("create", QUEUE)).in_the_way == ()


def test_the_targets_of_the_update_are_what_the_plan_takes_for_its_own() -> None:
    patterns = [re.compile(re.escape(target).replace(r"\*\*", ".*")) for target in TARGETS]
    for urn in (RELEASE, RECORD, APPS, APP, QUEUE, PROVIDER):
        assert any(p.fullmatch(urn) for p in patterns) == bool(plan(Step("update", urn)).ours)
