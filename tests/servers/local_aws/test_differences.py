"""What AWS would refuse and moto accepts is refused; the list of differences and the code hold together."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import grpc
import pytest

from local.aws import differences
from local.aws.differences import Answer, catalogue
from local.aws.provider.wire import UNKNOWN, Props

from .engine import CheckFailed, Engine

ROOM = Path(differences.__file__).parents[1]
QUEUE = "aws:sqs/queue:Queue"
REDRIVE = "aws:sqs/redrivePolicy:RedrivePolicy"
ALLOW = "aws:sqs/redriveAllowPolicy:RedriveAllowPolicy"
BUCKET_POLICY = "aws:s3/bucketPolicy:BucketPolicy"
VERSIONING = "aws:s3/bucketVersioning:BucketVersioning"
TABLE = "aws:dynamodb/table:Table"
ROLE = "aws:iam/role:Role"
TEMPLATE = "aws:ec2/launchTemplate:LaunchTemplate"
FLEET = "aws:ec2/spotFleetRequest:SpotFleetRequest"
TARGET = "aws:appautoscaling/target:Target"
POLICY = "aws:appautoscaling/policy:Policy"
SCHEDULE = "aws:appautoscaling/scheduledAction:ScheduledAction"
ALARM = "aws:cloudwatch/metricAlarm:MetricAlarm"
LOGS = "aws:cloudwatch/logGroup:LogGroup"
SCALED = {
    "resourceId": "spot-fleet-request/sfr-1",
    "scalableDimension": "ec2:spot-fleet-request:TargetCapacity",
    "serviceNamespace": "ec2",
}


def a_redrive(count: int, target: str = "arn:aws:sqs:us-east-1:1:d") -> str:
    return json.dumps({"deadLetterTargetArn": target, "maxReceiveCount": count})


def a_fleet(**more: Any) -> Props:
    reference = {"id": "lt-1", "version": "1"}
    return {
        "iamFleetRole": "arn:aws:iam::1:role/r",
        "targetCapacity": 2,
        "launchTemplateConfigs": [{"launchTemplateSpecification": reference}],
        **more,
    }


def a_table(**more: Any) -> Props:
    return {"hashKey": "a", "attributes": [{"name": "a", "type": "S"}], **more}


def a_step_policy(*steps: tuple[str | None, str | None]) -> Props:
    adjustments = [
        {"scalingAdjustment": 1}
        | ({"metricIntervalLowerBound": low} if low else {})
        | ({"metricIntervalUpperBound": high} if high else {})
        for low, high in steps
    ]
    step = {"adjustmentType": "ChangeInCapacity", "stepAdjustments": adjustments}
    return {**SCALED, "stepScalingPolicyConfiguration": step}


def an_alarm(**more: Any) -> Props:
    base = {
        "comparisonOperator": "GreaterThanThreshold",
        "evaluationPeriods": 1,
        "metricName": "m",
        "namespace": "n",
    }
    return base | {"period": 60, "statistic": "Average", "threshold": 1} | more


def a_bucket_policy(arn: str) -> Props:
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": arn}
    return {"bucket": "mine", "policy": json.dumps({"Statement": [statement]})}


INSTANCE = "aws:ec2/instance:Instance"
VOLUME = "aws:ebs/volume:Volume"
INTERFACE = "aws:ec2/networkInterface:NetworkInterface"
BALANCER = "aws:lb/loadBalancer:LoadBalancer"
TARGETS = "aws:lb/targetGroup:TargetGroup"
LISTENER = "aws:lb/listener:Listener"
RECORD = "aws:route53/record:Record"
EVENTS = "aws:cloudwatch/eventRule:EventRule"
SUBSCRIPTION = "aws:sns/topicSubscription:TopicSubscription"
BUDGET = "aws:budgets/budget:Budget"


def an_instance(**more: Any) -> Props:
    return {"ami": "ami-1", "instanceType": "m5.large", **more}


def a_group(**more: Any) -> Props:
    return {"port": 80, "protocol": "HTTP", "vpcId": "vpc-1", **more}


def a_record(**more: Any) -> Props:
    return {"zoneId": "Z", "name": "a.b", "type": "A", "ttl": 60, "records": ["10.0.0.1"], **more}


def a_listener(**more: Any) -> Props:
    action = {"type": "forward", "targetGroupArn": "arn:t"}
    return {"loadBalancerArn": "arn:b", "port": 80, "protocol": "HTTP", "defaultActions": [action], **more}


def a_budget(**more: Any) -> Props:
    notification = {"comparisonOperator": "GREATER_THAN", "notificationType": "ACTUAL", "threshold": 80}
    notification |= {"thresholdType": "PERCENTAGE", **more}
    base = {"budgetType": "COST", "timeUnit": "MONTHLY", "limitAmount": "1", "limitUnit": "USD"}
    return {**base, "notifications": [notification]}


CASES: list[tuple[str, str, Props, str]] = [
    ("instance-needs", INSTANCE, an_instance(ami=None), "needs it"),
    ("instance-user-data-limit", INSTANCE, an_instance(userData="x" * 16_385), "16384"),
    ("instance-user-data-limit", INSTANCE, an_instance(userDataBase64="not base64!"), "must be base64"),
    (
        "instance-two-networks",
        INSTANCE,
        an_instance(primaryNetworkInterface={"networkInterfaceId": "eni-1"}, subnetId="s"),
        "belongs to the network interface",
    ),
    ("instance-options", INSTANCE, an_instance(maintenanceOptions={"autoRecovery": "yes"}), "disabled"),
    ("interface-address", INTERFACE, {"subnetId": "s", "privateIps": ["10.0.0"]}, "no IPv4 address"),
    ("volume-values", VOLUME, {"availabilityZone": "z", "type": "gp3"}, "needs size"),
    ("volume-values", VOLUME, {"availabilityZone": "z", "type": "gp3", "size": 8, "iops": 1}, "3000 to"),
    ("nat-needs", "aws:ec2/natGateway:NatGateway", {"subnetId": "s"}, "elastic address"),
    ("balancer-name", BALANCER, {"name": "x" * 33, "subnets": ["a", "b"]}, "1 to 32"),
    ("balancer-name", TARGETS, a_group(name="-x"), "1 to 32"),
    ("balancer-values", BALANCER, {"subnets": ["a"]}, "at least two zones"),
    ("target-group-values", TARGETS, {"port": 80, "protocol": "HTTP"}, "needs it"),
    ("target-group-health", TARGETS, a_group(healthCheck={"interval": 10, "timeout": 10}), "not less than"),
    ("listener-values", LISTENER, a_listener(protocol="HTTPS"), "needs a certificate"),
    ("listener-values", LISTENER, a_listener(sslPolicy="p"), "does not go with protocol HTTP"),
    ("zone-name", "aws:route53/zone:Zone", {"name": "a..b"}, "no domain name"),
    ("record-values", RECORD, a_record(records=["banana"]), "no address"),
    ("record-values", RECORD, a_record(ttl=None), "records and ttl"),
    (
        "dashboard-body",
        "aws:cloudwatch/dashboard:Dashboard",
        {"dashboardName": "d", "dashboardBody": '{"widgets": [{"type": "pie"}]}'},
        "widget 0",
    ),
    ("event-rule", EVENTS, {"eventPattern": '{"source": "aws.ec2"}'}, "must be a list"),
    ("event-rule", EVENTS, {}, "eventPattern, scheduleExpression"),
    (
        "filter-values",
        "aws:cloudwatch/logMetricFilter:LogMetricFilter",
        {
            "logGroupName": "l",
            "pattern": "",
            "metricTransformation": {"name": "n", "namespace": "s", "value": "one"},
        },
        "a number",
    ),
    ("topic-name", "aws:sns/topic:Topic", {"name": "a b"}, "256"),
    (
        "subscription-endpoint",
        SUBSCRIPTION,
        {"topic": "arn:t", "protocol": "email", "endpoint": "nobody"},
        "no endpoint for email",
    ),
    ("budget-values", BUDGET, a_budget(), "tells nobody"),
    ("budget-values", BUDGET, a_budget(subscriberSnsTopicArns=["a", "b"]), "at most one topic"),
    ("secret-values", "aws:secretsmanager/secret:Secret", {"recoveryWindowInDays": 3}, "7 to 30"),
    ("key-values", "aws:kms/key:Key", {"deletionWindowInDays": 3}, "7 to 30 days"),
    ("key-alias", "aws:kms/alias:Alias", {"name": "state", "targetKeyId": "k"}, "alias/"),
    (
        "oidc-url",
        "aws:iam/openIdConnectProvider:OpenIdConnectProvider",
        {"url": "http://a.b", "clientIdLists": ["x"]},
        "https",
    ),
    ("parameter-values", "aws:ssm/parameter:Parameter", {"type": "Text", "value": "v"}, "SecureString"),
    ("parameter-values", "aws:ssm/parameter:Parameter", {"type": "String"}, "exactly one of"),
    ("sqs-attribute-ranges", QUEUE, {"visibilityTimeoutSeconds": 50_000}, "0 to 43200 seconds"),
    ("sqs-attribute-ranges", QUEUE, {"messageRetentionSeconds": 1}, "60 to 1209600 seconds"),
    ("sqs-attribute-ranges", QUEUE, {"receiveWaitTimeSeconds": 30}, "0 to 20 seconds"),
    ("sqs-queue-name", QUEUE, {"name": "q" * 81}, "81 characters: a queue's name has at most 80"),
    ("sqs-queue-name", QUEUE, {"name": "q", "fifoQueue": True}, "ends in .fifo"),
    ("sqs-queue-name", QUEUE, {"name": "q.fifo"}, "fifoQueue is not true"),
    ("sqs-fifo-only", QUEUE, {"deduplicationScope": "queue"}, "is for FIFO queues"),
    (
        "sqs-fifo-throughput",
        QUEUE,
        {"fifoQueue": True, "fifoThroughputLimit": "perMessageGroupId"},
        "messageGroup",
    ),
    (
        "sqs-two-encryptions",
        QUEUE,
        {"kmsMasterKeyId": "k", "sqsManagedSseEnabled": True},
        "exclude each other",
    ),
    ("sqs-max-receive-count", REDRIVE, {"queueUrl": "u", "redrivePolicy": a_redrive(0)}, "1 to 1000"),
    ("sqs-max-receive-count", REDRIVE, {"queueUrl": "u", "redrivePolicy": a_redrive(99_999)}, "1 to 1000"),
    ("sqs-redrive-target", REDRIVE, {"queueUrl": "u.fifo", "redrivePolicy": a_redrive(3)}, "same kind"),
    (
        "sqs-redrive-allow-policy",
        ALLOW,
        {"queueUrl": "u", "redriveAllowPolicy": '{"a": 1}'},
        "redrivePermission",
    ),
    ("s3-bucket-name", "aws:s3/bucket:Bucket", {"bucket": "Upper_case"}, "lower-case"),
    ("s3-policy-other-bucket", BUCKET_POLICY, a_bucket_policy("arn:aws:s3:::other/*"), "not of bucket mine"),
    (
        "s3-values",
        VERSIONING,
        {"bucket": "b", "versioningConfiguration": {"status": "On"}},
        "Enabled, Suspended",
    ),
    ("dynamodb-attributes", TABLE, a_table(rangeKey="b"), "b: a key without an entry"),
    (
        "dynamodb-attributes",
        TABLE,
        {"hashKey": "a", "attributes": [{"name": "a", "type": "S"}, {"name": "b", "type": "S"}]},
        "leave it out",
    ),
    ("iam-trust-policy", ROLE, {"assumeRolePolicy": '{"Statement": [{"Effect": "Allow"}]}'}, "Principal"),
    ("template-user-data", TEMPLATE, {"userData": base64.b64encode(b"x" * 16_385).decode()}, "16384"),
    ("template-user-data", TEMPLATE, {"userData": "not base64!"}, "must be base64"),
    (
        "template-metadata-options",
        TEMPLATE,
        {"metadataOptions": {"httpTokens": "banana"}},
        "required, optional",
    ),
    ("fleet-strategies", FLEET, a_fleet(allocationStrategy="cheapest"), "priceCapacityOptimized"),
    ("fleet-specifications", FLEET, a_fleet(launchTemplateConfigs=[]), "exactly one of"),
    ("fleet-on-demand-total", FLEET, a_fleet(onDemandTargetCapacity=3), "more than the total"),
    (
        "fleet-rebalance-request",
        FLEET,
        a_fleet(
            fleetType="request",
            spotMaintenanceStrategies={"capacityRebalance": {"replacementStrategy": "launch"}},
        ),
        "maintain only",
    ),
    (
        "fleet-pools",
        FLEET,
        a_fleet(instancePoolsToUseCount=2, allocationStrategy="diversified"),
        "lowestPrice only",
    ),
    (
        "fleet-template-reference",
        FLEET,
        a_fleet(launchTemplateConfigs=[{"launchTemplateSpecification": {"id": "lt-1"}}]),
        "needs version",
    ),
    ("scaling-min-max", TARGET, {**SCALED, "minCapacity": 5, "maxCapacity": 1}, "5 is more than maxCapacity"),
    ("scaling-steps", POLICY, a_step_policy(("0", "10"), ("20", None)), "leave a gap between 10 and 20"),
    ("scaling-steps", POLICY, a_step_policy(("0", "10"), ("5", None)), "overlap"),
    ("scaling-policy-kind", POLICY, {**SCALED, "policyType": "TargetTrackingScaling"}, "needs it"),
    (
        "scaling-schedule",
        SCHEDULE,
        {**SCALED, "schedule": "cron(bogus)", "scalableTargetAction": {"minCapacity": 1}},
        "six fields",
    ),
    ("alarm-values", ALARM, an_alarm(treatMissingData="banana"), "notBreaching"),
    ("alarm-values", ALARM, an_alarm(period=45), "multiple of 60"),
    ("alarm-metric", ALARM, an_alarm(metricName=None), "either metricName or metricQueries"),
    ("log-retention", LOGS, {"retentionInDays": 8}, "one of 1, 3, 5, 7, 14"),
]


@pytest.mark.parametrize(
    ("key", "token", "news", "text"), CASES, ids=[f"{case[0]}-{n}" for n, case in enumerate(CASES)]
)
def test_what_aws_refuses_is_refused_in_the_preview(
    offline: Engine, key: str, token: str, news: Props, text: str
) -> None:
    assert catalogue()[key].answer is Answer.REFUSED
    with pytest.raises(CheckFailed) as refused:
        offline.check(token, "thing", {name: value for name, value in news.items() if value is not None})
    assert any(text in reason for reason in refused.value.failures.values()), refused.value.failures


@pytest.mark.parametrize(
    ("token", "news"),
    [
        (QUEUE, {"visibilityTimeoutSeconds": UNKNOWN, "redrivePolicy": UNKNOWN, "name": UNKNOWN}),
        (
            FLEET,
            a_fleet(
                launchTemplateConfigs=[{"launchTemplateSpecification": {"id": UNKNOWN, "version": UNKNOWN}}]
            ),
        ),
        (TARGET, {**SCALED, "resourceId": UNKNOWN, "minCapacity": 1, "maxCapacity": UNKNOWN}),
        (BUCKET_POLICY, {"bucket": UNKNOWN, "policy": UNKNOWN}),
        (TABLE, {"hashKey": UNKNOWN, "attributes": UNKNOWN}),
        (ALARM, an_alarm(dimensions={"QueueName": UNKNOWN})),
        (
            INSTANCE,
            {
                "ami": UNKNOWN,
                "instanceType": UNKNOWN,
                "userDataBase64": UNKNOWN,
                "networkInterfaces": UNKNOWN,
            },
        ),
        (INTERFACE, {"subnetId": UNKNOWN, "privateIps": UNKNOWN}),
        (BALANCER, {"subnets": UNKNOWN, "securityGroups": [UNKNOWN]}),
        (TARGETS, a_group(vpcId=UNKNOWN, healthCheck={"interval": UNKNOWN, "timeout": 5})),
        (LISTENER, a_listener(defaultActions=[{"type": "forward", "targetGroupArn": UNKNOWN}])),
        (RECORD, a_record(records=[UNKNOWN])),
        (RECORD, a_record(records=UNKNOWN, zoneId=UNKNOWN)),
        ("aws:cloudwatch/dashboard:Dashboard", {"dashboardName": UNKNOWN, "dashboardBody": UNKNOWN}),
        (EVENTS, {"eventPattern": UNKNOWN}),
        (SUBSCRIPTION, {"topic": UNKNOWN, "protocol": "email", "endpoint": UNKNOWN}),
        (BUDGET, a_budget(subscriberSnsTopicArns=UNKNOWN)),
        ("aws:ssm/parameter:Parameter", {"type": "String", "value": UNKNOWN}),
        (
            SCHEDULE,
            {**SCALED, "schedule": "cron(0 5 * * ? *)", "scalableTargetAction": {"minCapacity": UNKNOWN}},
        ),
    ],
)
def test_nothing_is_refused_for_what_is_not_known_yet(offline: Engine, token: str, news: Props) -> None:
    assert offline.check(token, "thing", news)


def test_every_rule_is_listed_as_refused_and_has_a_case() -> None:
    used = {rule.key for rules in differences.RULES.values() for rule in rules}
    assert {key for key in used if catalogue()[key].answer is not Answer.REFUSED} == set()
    assert used - {case[0] for case in CASES} == set()


def test_the_list_and_the_code_name_each_other() -> None:
    code = "\n".join(path.read_text() for path in ROOM.rglob("*.py"))
    for key, difference in catalogue().items():
        assert (ROOM / difference.where).is_file(), f"{key}: there is no {difference.where}"
        if difference.answer is not Answer.NOTED:
            assert re.search(rf"\b{key}\b", code), f"{key}: nothing in the code names it"


def test_a_reference_to_what_does_not_exist_is_refused(live: Engine) -> None:
    fleet = a_fleet(iamFleetRole="arn:aws:iam::123456789012:role/nobody")
    policy = {**a_step_policy(("0", None)), "resourceId": "spot-fleet-request/sfr-none"}
    target = {**SCALED, "resourceId": "spot-fleet-request/sfr-none", "minCapacity": 1, "maxCapacity": 2}
    trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}
    role = {
        "assumeRolePolicy": json.dumps({"Statement": [trust]}),
        "permissionsBoundary": "arn:aws:iam::1:policy/none",
    }
    group = {"vpcId": "vpc-none"}
    for token, news, text in (
        (FLEET, fleet, "role/nobody does not exist"),
        (POLICY, policy, "no scalable target is registered"),
        (TARGET, target, "no such spot fleet request"),
        (ROLE, role, "policy/none does not exist"),
        (TEMPLATE, {"imageId": "ami-12c6146b", "instanceType": "zz.big"}, "zz.big"),
        ("aws:ec2/securityGroup:SecurityGroup", group, "vpc-none does not exist"),
    ):
        with pytest.raises(grpc.RpcError) as refused:
            live.create(token, "thing", news)
        details = str(refused.value.details())  # pyright: ignore
        assert text in details
        assert "Traceback" not in details


def test_only_what_moto_would_evaluate_as_aws_does_is_sent_of_a_bucket_policy() -> None:
    tls = {"Effect": "Deny", "Action": "s3:*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    inside = {
        "Effect": "Allow",
        "Action": "s3:GetObject",
        "Condition": {"StringEquals": {"aws:SourceVpce": "vpce-1"}},
    }
    somebody = {
        "Effect": "Allow",
        "Action": "s3:*",
        "Condition": {"StringEquals": {"aws:PrincipalTag/x": "y"}},
    }
    open_to_all = {"Effect": "Allow", "Action": "s3:ListBucket"}
    sent = differences.enforceable_policy(json.dumps({"Statement": [tls, inside, somebody, open_to_all]}))
    assert sent == {"Statement": [{"Effect": "Allow", "Action": "s3:GetObject"}, open_to_all]}
    assert differences.enforceable_policy(json.dumps({"Statement": tls})) is None
