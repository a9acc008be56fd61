"""Who is told when something hurts: a topic, alarms, a budget, and a dashboard to look at."""

from __future__ import annotations

import json
from typing import Any

import pulumi
from pulumi import ComponentResource, InvokeOptions, Output, ResourceOptions
from pulumi_aws import budgets, cloudwatch, get_caller_identity_output, sns

from infra import dashboard
from infra.alarms import Alarm, MetricOf, Watched, alarms
from infra.settings import MonitoringSettings

__all__ = ["Monitoring", "Watched"]

BUDGET_WARNINGS = (("ACTUAL", 80), ("FORECASTED", 100))
"""What AWS Budgets warns of, and at which percentage of the limit."""

INTERRUPTIONS = ("EC2 Spot Instance Interruption Warning", "EC2 Instance Rebalance Recommendation")
"""Detail types of the events that end a spot instance's life (Amazon EC2 User Guide, Spot interruptions)."""

RULE_NAME_LIMIT = 64
"""Longest name of a rule (Amazon EventBridge, PutRule, Name): shorter than a queue's."""


class Monitoring(ComponentResource):
    """Alarms that page for what hurts, the topic and addresses they go to, a budget and a dashboard.

    Everything is named `<name_prefix>-…`. Each address gets a mail from AWS that it must confirm: until then its
    subscription is pending and hears nothing. The budget mails the addresses by itself, confirmed or not. Spot
    interruptions are counted on the dashboard and page nobody: the nodes drain themselves.

    Four custom metrics are read (`infra/metrics.py`); alarms on them are quiet as long as nobody publishes them.
    Cost: a few dollars a month, see docs/monitoring.md.
    """

    def __init__(
        self,
        name: str,
        settings: MonitoringSettings,
        watched: Watched,
        name_prefix: str,
        stack: str,
        opts: ResourceOptions | None = None,
    ) -> None:
        """Register topic, subscriptions, alarms, budget and dashboard.

        Args:
            name: logical name.
            settings: who is told, and from when on.
            watched: queues, fleet and masters.
            name_prefix: begins every physical name.
            stack: the stack's name; value of the tag by which the budget is filtered, and of the dimension of the
                custom metrics.
            opts: options of the component.
        """
        super().__init__("trawler:infra:Monitoring", name, {}, opts)
        self._name, self._prefix = name, name_prefix
        self.topic = self._topic(settings, watched.region)
        self.alarms = {
            alarm.key: self._alarm(alarm, self.topic) for alarm in alarms(settings, watched, stack)
        }
        interruptions = self._interruptions()
        self._budget(settings, stack)
        self.dashboard = cloudwatch.Dashboard(
            f"{name}-dashboard",
            dashboard_name=name_prefix,
            dashboard_body=self._dashboard_body(settings, watched, stack, interruptions),
            opts=ResourceOptions(parent=self),
        )
        self.register_outputs({"topicArn": self.topic.arn})

    def _topic(self, settings: MonitoringSettings, region: str) -> sns.Topic:
        topic_name = f"{self._prefix}-alarms"
        account = get_caller_identity_output(opts=InvokeOptions(parent=self)).account_id
        topic = sns.Topic(
            f"{self._name}-topic",
            name=topic_name,
            # Not encrypted with a key: CloudWatch cannot use SNS's own, and a key of the stack's own would cost
            # a third of all this to hide that an alarm went off.
            policy=account.apply(lambda a: _topic_policy(region, a, self._prefix, topic_name)),
            opts=ResourceOptions(parent=self),
        )
        for email in settings.emails:
            sns.TopicSubscription(
                # By address, so that taking one out does not unsubscribe the others.
                f"{self._name}-to-{email}",
                topic=topic.arn,
                protocol="email",
                endpoint=email,
                opts=ResourceOptions(parent=self),
            )
        return topic

    def _alarm(self, alarm: Alarm, topic: sns.Topic) -> cloudwatch.MetricAlarm:
        if alarm.expression is None:
            (only,) = alarm.inputs.values()
            measured: dict[str, Any] = {
                "namespace": only.namespace,
                "metric_name": only.name,
                "dimensions": only.dimensions,
                "statistic": only.stat,
                "period": alarm.period_s,
            }
        else:
            measured = {"metric_queries": _queries(alarm, alarm.expression)}
        return cloudwatch.MetricAlarm(
            f"{self._name}-{alarm.key}",
            name=f"{self._prefix}-{alarm.key}",
            alarm_description=f"{alarm.means}. Runbook: docs/runbooks/{alarm.runbook}.md",
            comparison_operator=alarm.comparison,
            threshold=alarm.threshold,
            evaluation_periods=alarm.periods,
            datapoints_to_alarm=alarm.periods,
            treat_missing_data=alarm.missing,
            alarm_actions=[topic.arn],
            ok_actions=[topic.arn],
            # Where silence is a fault, it pages too, once there has been a value.
            insufficient_data_actions=[topic.arn] if alarm.missing == "missing" else None,
            opts=ResourceOptions(parent=self),
            **measured,
        )

    def _interruptions(self) -> cloudwatch.EventRule:
        """A rule without a target: EventBridge counts what it matches, and that is all it is for."""
        return cloudwatch.EventRule(
            f"{self._name}-interruptions",
            name=f"{self._prefix[: RULE_NAME_LIMIT - len('-interruptions')]}-interruptions",
            description="Counted on the dashboard: spot interruptions and rebalance recommendations",
            event_pattern=json.dumps({"source": ["aws.ec2"], "detail-type": list(INTERRUPTIONS)}),
            opts=ResourceOptions(parent=self),
        )

    def _budget(self, settings: MonitoringSettings, stack: str) -> None:
        budgets.Budget(
            f"{self._name}-budget",
            name=f"{self._prefix}-monthly",
            budget_type="COST",
            time_unit="MONTHLY",
            limit_amount=f"{settings.budget_usd:.2f}",
            limit_unit="USD",
            # Counts nothing until the tag is activated for cost allocation: docs/runbooks/budget.md.
            cost_filters=[{"name": "TagKeyValue", "values": [f"user:Stack${stack}"]}],
            notifications=[
                {
                    "notification_type": kind,
                    "comparison_operator": "GREATER_THAN",
                    "threshold": percent,
                    "threshold_type": "PERCENTAGE",
                    "subscriber_email_addresses": sorted(settings.emails),
                }
                for kind, percent in BUDGET_WARNINGS
            ],
            opts=ResourceOptions(parent=self),
        )

    def _dashboard_body(
        self, settings: MonitoringSettings, watched: Watched, stack: str, interruptions: cloudwatch.EventRule
    ) -> Output[str]:
        known: Output[dict[str, Any]] = Output.all(
            region=watched.region,
            stack=stack,
            budget_usd=settings.budget_usd,
            queues={s: q.main.name for s, q in watched.queues.items()},
            dead={s: q.dead.name for s, q in watched.queues.items()},
            fleet_request_id=watched.fleet_request_id,
            max_capacity=watched.max_capacity,
            target_group=watched.target_group_arn_suffix,
            balancer=watched.balancer_arn_suffix,
            interruptions_rule=interruptions.name,
            alarm_arns=[alarm.arn for alarm in self.alarms.values()],
        )
        return known.apply(lambda k: json.dumps(dashboard.body(dashboard.Shown(**k))))


def _queries(alarm: Alarm, expression: str) -> list[dict[str, Any]]:
    inputs = [
        {"id": id_, "metric": _statistic(metric, alarm.period_s), "return_data": False}
        for id_, metric in alarm.inputs.items()
    ]
    # Alarms are evaluated on the one series that returns data.
    return [*inputs, {"id": "result", "expression": expression, "label": alarm.means, "return_data": True}]


def _statistic(metric: MetricOf, period_s: int) -> dict[str, pulumi.Input[Any]]:
    return {
        "namespace": metric.namespace,
        "metric_name": metric.name,
        "dimensions": metric.dimensions,
        "stat": metric.stat,
        "period": period_s,
    }


def _topic_policy(region: str, account: str, prefix: str, topic_name: str) -> str:
    topic = f"arn:aws:sns:{region}:{account}:{topic_name}"
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "AlarmsOfThisStack",
                    "Effect": "Allow",
                    # The budget mails by itself and the rule has no target: nobody else publishes.
                    "Principal": {"Service": "cloudwatch.amazonaws.com"},
                    "Action": "sns:Publish",
                    "Resource": topic,
                    "Condition": {
                        "StringEquals": {"aws:SourceAccount": account},
                        "ArnLike": {
                            "aws:SourceArn": f"arn:aws:cloudwatch:{region}:{account}:alarm:{prefix}-*"
                        },
                    },
                },
                {
                    "Sid": "TlsOnly",
                    "Effect": "Deny",
                    "Principal": "*",
                    # A topic's policy takes no other action than its own; this is the one that carries text.
                    "Action": "sns:Publish",
                    "Resource": topic,
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                },
            ],
        }
    )
