"""What a preview shows, decided by the table of types: no AWS is asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import grpc
import pytest

from local.aws.provider.wire import UNKNOWN, Props, Secret, Unknown, plain

from .engine import CheckFailed, Engine, changes, in_state

QUEUE = "aws:sqs/queue:Queue"
BUCKET = "aws:s3/bucket:Bucket"
FLEET = "aws:ec2/spotFleetRequest:SpotFleetRequest"
TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
TABLE = "aws:dynamodb/table:Table"
RULE = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"


def a_fleet(version: str = "1", **more: Any) -> Props:
    return {
        "iamFleetRole": "arn:aws:iam::1:role/r",
        "targetCapacity": 2,
        "launchTemplateConfigs": [
            {
                "launchTemplateSpecification": {"id": "lt-1", "version": version},
                "overrides": [{"instanceType": "m5.large"}, {"instanceType": "c5.large"}],
            }
        ],
        **more,
    }


def test_an_automatic_name_is_the_logical_name_with_seven_hex_digits_and_stays(offline: Engine) -> None:
    first = offline.check(QUEUE, "fetch", {"fifoQueue": True})
    assert first["name"].startswith("fetch-")
    assert first["name"].endswith(".fifo")
    assert len(first["name"]) == len("fetch-1234567.fifo")
    again = offline.check(QUEUE, "fetch", {"fifoQueue": True}, first)
    assert again["name"] == first["name"]


def test_an_automatic_name_is_cut_to_what_the_service_allows(offline: Engine) -> None:
    assert len(offline.check(BUCKET, "A" * 100, {})["bucket"]) == 63
    assert offline.check(BUCKET, "A" * 100, {})["bucket"].startswith("aaa")
    assert len(offline.check(QUEUE, "q" * 100, {"fifoQueue": True})["name"]) == 80


def test_a_configured_automatic_name_wins(offline: Engine) -> None:
    from pulumi.runtime.proto import provider_pb2 as rpc  # noqa: PLC0415

    proposed = rpc.CheckRequest.AutonamingOptions(proposed_name="mine")
    assert offline.check(QUEUE, "fetch", {"fifoQueue": True}, autonaming=proposed)["name"] == "mine.fifo"
    off = rpc.CheckRequest.AutonamingOptions(mode=rpc.CheckRequest.AutonamingOptions.DISABLE)
    with pytest.raises(CheckFailed, match="switched off"):
        offline.check(QUEUE, "fetch", {}, autonaming=off)


def test_defaults_and_region_are_filled_in(offline: Engine) -> None:
    inputs = offline.check(QUEUE, "q", {})
    assert inputs["visibilityTimeoutSeconds"] == 30
    assert inputs["region"] == "us-east-1"
    assert set(inputs["__defaults"]) >= {"name", "region", "visibilityTimeoutSeconds"}


@pytest.mark.parametrize(
    ("token", "news", "place", "text"),
    [
        (QUEUE, {"visibilityTimeout": 3}, "visibilityTimeout", "did you mean visibilityTimeoutSeconds"),
        (QUEUE, {"delaySeconds": "soon"}, "delaySeconds", "must be a whole number"),
        (QUEUE, {"policy": "{nonsense"}, "policy", "not JSON"),
        (BUCKET, {"acl": "private"}, "acl", "does not implement"),
        (FLEET, {"targetCapacity": 1}, "iamFleetRole", "is missing"),
        (
            FLEET,
            a_fleet(launchTemplateConfigs=[{"overrides": []}]),
            "launchTemplateConfigs[0].launchTemplateSpecification",
            "missing",
        ),
        (
            FLEET,
            a_fleet(spotMaintenanceStrategies={"rebalance": {}}),
            "spotMaintenanceStrategies.rebalance",
            "no property",
        ),
        (
            TEMPLATE,
            {"defaultVersion": 1, "updateDefaultVersion": True},
            "defaultVersion",
            "exclude each other",
        ),
        (
            "aws:lambda/function:Function",
            {"name": "t"},
            "",
            "does not implement aws:lambda/function:Function",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_by_name_in_the_preview(
    offline: Engine, token: str, news: Props, place: str, text: str
) -> None:
    with pytest.raises(CheckFailed) as refused:
        offline.check(token, "thing", news)
    assert text in refused.value.failures[place]


def test_text_that_spells_a_number_or_a_boolean_is_taken_as_such(offline: Engine) -> None:
    fleet = offline.check(FLEET, "f", a_fleet(terminateInstancesOnDelete=True, targetCapacity="3"))
    assert fleet["terminateInstancesOnDelete"] == "true"
    assert fleet["targetCapacity"] == 3


@pytest.mark.parametrize(
    ("token", "before", "after", "expected"),
    [
        (QUEUE, {"delaySeconds": 1}, {"delaySeconds": 2}, {"delaySeconds": "UPDATE"}),
        (
            QUEUE,
            {},
            {"fifoQueue": True, "name": "x.fifo"},
            {"fifoQueue": "UPDATE_REPLACE", "name": "UPDATE_REPLACE"},
        ),
        (QUEUE, {"tags": {"a": "1"}}, {"tags": {"a": "2"}}, {"tags.a": "UPDATE", "tagsAll.a": "UPDATE"}),
        (QUEUE, {"policy": '{"a": 1, "b": 2}'}, {"policy": '{"b":2,"a":1}'}, {}),
        (QUEUE, {"policy": '{"Action": ["x"]}'}, {"policy": '{"Action": "x"}'}, {}),
        (QUEUE, {"redrivePolicy": '{"deadLetterTargetArn": "a", "maxReceiveCount": 3}'}, {}, {}),
        (FLEET, a_fleet(), a_fleet(targetCapacity=5), {"targetCapacity": "UPDATE"}),
        (
            FLEET,
            a_fleet("1"),
            a_fleet("2"),
            {"launchTemplateConfigs[0].launchTemplateSpecification.version": "UPDATE_REPLACE"},
        ),
        (FLEET, a_fleet(), a_fleet(spotPrice="1"), {"spotPrice": "ADD_REPLACE"}),
        (
            RULE,
            {"ipProtocol": "tcp", "securityGroupId": "sg", "cidrIpv4": "10.0.0.0/8"},
            {"ipProtocol": "tcp", "securityGroupId": "sg", "cidrIpv4": "11.0.0.0/8"},
            {"cidrIpv4": "UPDATE"},
        ),
        (
            RULE,
            {"ipProtocol": "tcp", "securityGroupId": "sg", "cidrIpv4": "10.0.0.0/8"},
            {"ipProtocol": "tcp", "securityGroupId": "sg", "cidrIpv6": "::/0"},
            {"cidrIpv4": "DELETE_REPLACE", "cidrIpv6": "ADD_REPLACE"},
        ),
        (TEMPLATE, {"userData": "YQ=="}, {"userData": "Yg=="}, {"userData": "UPDATE"}),
        (BUCKET, {}, {"forceDestroy": True}, {"forceDestroy": "UPDATE"}),
        (
            "aws:iam/role:Role",
            {"assumeRolePolicy": UNKNOWN},
            {"assumeRolePolicy": UNKNOWN},
            {"assumeRolePolicy": "UPDATE"},
        ),
    ],
)
def test_a_change_is_an_update_or_a_replacement_as_awss_provider_decides(
    offline: Engine, token: str, before: Props, after: Props, expected: dict[str, str]
) -> None:
    assert changes(offline, token, before, after) == expected


def test_the_order_of_a_set_is_no_difference(offline: Engine) -> None:
    turned = a_fleet()
    turned["launchTemplateConfigs"][0]["overrides"].reverse()
    assert changes(offline, FLEET, a_fleet(), turned) == {}


def test_one_more_element_of_a_set_is_told_alone(offline: Engine) -> None:
    more = a_fleet()
    more["launchTemplateConfigs"][0]["overrides"].insert(0, {"instanceType": "r5.large"})
    assert list(changes(offline, FLEET, a_fleet(), more)) == ["launchTemplateConfigs[0].overrides[0]"]


def test_attributes_of_a_table_count_only_together_with_its_keys(offline: Engine) -> None:
    keys = {"hashKey": "a", "attributes": [{"name": "a", "type": "S"}]}
    index = {"name": "i", "hashKey": "b", "projectionType": "ALL"}
    more = {"hashKey": "a", "attributes": [{"name": "a", "type": "S"}, {"name": "b", "type": "S"}]}
    found = changes(offline, TABLE, keys, {**more, "globalSecondaryIndexes": [index]})
    assert {path.split("[")[0] for path in found} == {"attributes", "globalSecondaryIndexes"}
    assert not any(kind.endswith("REPLACE") for kind in found.values())


@pytest.mark.parametrize(
    ("before", "after", "first"),
    [
        ({"name": "fixed"}, {"name": "fixed.fifo", "fifoQueue": True}, True),
        ({}, {"fifoQueue": True}, False),
    ],
)
def test_only_an_explicit_name_makes_a_replacement_delete_first(
    offline: Engine, before: Props, after: Props, first: bool
) -> None:
    resource = in_state(offline, QUEUE, before)
    assert offline.diff(resource, offline.check(QUEUE, "thing", after)).deleteBeforeReplace is first


def test_an_attachment_is_always_deleted_first(offline: Engine) -> None:
    token = "aws:iam/rolePolicyAttachment:RolePolicyAttachment"
    resource = in_state(offline, token, {"role": "r", "policyArn": "arn:a"})
    found = offline.diff(resource, offline.check(token, "thing", {"role": "r", "policyArn": "arn:b"}))
    assert list(found.replaces) == ["policyArn"]
    assert found.deleteBeforeReplace


def test_a_preview_knows_inputs_and_not_what_aws_will_say(offline: Engine) -> None:
    shown = offline.preview(QUEUE, "q", {"delaySeconds": 3}).outputs
    assert shown["delaySeconds"] == 3
    assert shown["name"].startswith("q-")
    assert isinstance(shown["arn"], Unknown)
    assert "__defaults" not in shown


def test_only_new_template_data_makes_the_latest_version_unknown(offline: Engine) -> None:
    """A needless unknown would show the fleet and its scaling as replaced."""
    template = in_state(offline, TEMPLATE, {"userData": "YQ=="})
    template.outputs |= {"latestVersion": 1, "arn": "a", "defaultVersion": 1}
    offline.change(template, {"userData": "YQ==", "tags": {"a": "1"}}, preview=True)
    assert template.outputs["latestVersion"] == 1
    offline.change(template, {"userData": "Yg==", "tags": {"a": "1"}}, preview=True)
    assert isinstance(template.outputs["latestVersion"], Unknown)


def test_default_tags_show_in_tags_all_and_their_change_is_an_update(
    make_engine: Callable[..., Engine],
) -> None:
    nowhere = [{"sqs": "http://127.0.0.1:1"}]
    one = make_engine(endpoints=nowhere, defaultTags={"tags": {"Project": "a", "Own": "default"}})
    queue = one.preview(QUEUE, "q", {"tags": {"Own": "mine"}})
    assert queue.outputs["tagsAll"] == {"Project": "a", "Own": "mine"}
    assert queue.outputs["tags"] == {"Own": "mine"}
    other = make_engine(
        endpoints=nowhere, defaultTags={"tags": {"Project": "b"}}, ignoreTags={"keys": ["Own"]}
    )
    inputs = other.check(QUEUE, "q", {"tags": {"Own": "mine"}}, queue.inputs)
    found = other.diff(queue, inputs)
    assert {path: entry.kind for path, entry in found.detailedDiff.items()} == {
        "tagsAll.Own": 2,
        "tagsAll.Project": 4,
    }
    assert not found.replaces


def test_what_is_made_of_a_secret_stays_secret(offline: Engine) -> None:
    shown = offline.preview(QUEUE, "q", {"tags": {"key": Secret("hush"), "open": "yes"}})
    assert isinstance(shown.inputs["tags"]["key"], Secret)
    assert isinstance(shown.outputs["tagsAll"]["key"], Secret)
    assert shown.outputs["tagsAll"]["open"] == "yes"
    assert plain(shown.outputs["tagsAll"])["key"] == "hush"


@pytest.mark.parametrize(
    "url", ["https://sqs.us-east-1.amazonaws.com", "http://10.0.0.7:5598", "http://localhost.evil.example:1"]
)
def test_an_endpoint_that_is_not_loopback_is_refused_by_name(
    make_engine: Callable[..., Engine], url: str
) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        make_engine(endpoints=[{"sqs": url}])
    assert f"sqs is {url}, which is not on this machine" in refused.value.details()  # pyright: ignore


def test_a_service_without_an_endpoint_is_refused_in_the_preview(make_engine: Callable[..., Engine]) -> None:
    engine = make_engine(endpoints=json.dumps([{"sqs": "http://localhost:1"}]))
    with pytest.raises(CheckFailed, match="names no endpoint for s3"):
        engine.check(BUCKET, "b", {})


def test_a_provider_option_that_is_not_implemented_is_refused(make_engine: Callable[..., Engine]) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        make_engine(endpoints=[], assumeRoles=[{"roleArn": "x"}])
    assert "aws:assumeRoles is not implemented" in refused.value.details()  # pyright: ignore


def test_an_unknown_function_is_refused_by_name(offline: Engine) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        offline.invoke("aws:ec2/getInstanceType:getInstanceType", {})
    assert "getInstanceType" in refused.value.details()  # pyright: ignore


def test_an_endpoint_that_nobody_answers_is_told_in_one_line(offline: Engine) -> None:
    with pytest.raises(grpc.RpcError) as failed:
        offline.create(QUEUE, "q", {})
    assert "Could not connect" in failed.value.details()  # pyright: ignore
    assert "is the local stack running?" in failed.value.details()  # pyright: ignore


def test_a_refresh_without_an_answer_is_an_error_and_never_gone(offline: Engine) -> None:
    queue = in_state(offline, QUEUE, {})
    with pytest.raises(grpc.RpcError):
        offline.drift(queue, {})


def test_a_policy_document_is_written_as_awss_provider_writes_it(offline: Engine) -> None:
    answer = offline.invoke(
        "aws:iam/getPolicyDocument:getPolicyDocument",
        {
            "statements": [
                {
                    "sid": "Read",
                    "actions": ["s3:GetObject", "s3:PutObject"],
                    "resources": ["arn:aws:s3:::b/&{aws:username}"],
                    "principals": [{"type": "AWS", "identifiers": ["*"]}],
                    "conditions": [{"test": "StringEquals", "variable": "v", "values": ["b", "a"]}],
                },
                {
                    "actions": ["sqs:*"],
                    "resources": ["*"],
                    "principals": [{"type": "*", "identifiers": ["*"]}],
                },
            ]
        },
    )
    document = json.loads(answer["json"])
    assert document["Version"] == "2012-10-17"
    assert document["Statement"][0] == {
        "Sid": "Read",
        "Effect": "Allow",
        "Action": ["s3:PutObject", "s3:GetObject"],
        "Resource": "arn:aws:s3:::b/${aws:username}",
        "Principal": {"AWS": "*"},
        "Condition": {"StringEquals": {"v": ["b", "a"]}},
    }
    assert document["Statement"][1]["Principal"] == "*"
    assert json.loads(answer["minifiedJson"]) == document
