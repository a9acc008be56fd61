"""Capacity of the fleet, owned by Application Auto Scaling."""

from __future__ import annotations

from collections.abc import Sequence

import pulumi
from pulumi import ComponentResource, ResourceOptions
from pulumi_aws import appautoscaling

from infra import metrics
from infra.settings import Prewarm


class AutoScaling(ComponentResource):
    """A scalable target between two bounds, and one target tracking policy that holds demand ÷ capacity at 1.

    The metric is published by the scaler; it falls as capacity rises. The lower bound is the base, so there is
    always a divisor, and no second policy that could fight the first. Silence of the metric changes nothing.
    Each entry of `prewarm` raises the lower bound at its start and gives it back at its end. AWS makes the
    service-linked role when the target is registered.

    Source: Application Auto Scaling User Guide, target tracking; Amazon EC2 User Guide, Spot Fleet scaling.
    """

    def __init__(
        self,
        name: str,
        resource_id: pulumi.Input[str],
        scalable_dimension: str,
        min_capacity: int,
        max_capacity: int,
        prewarm: Sequence[Prewarm] = (),
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("trawler:infra:AutoScaling", name, {}, opts)
        self.target = appautoscaling.Target(
            f"{name}-target",
            service_namespace="ec2",
            scalable_dimension=scalable_dimension,
            resource_id=resource_id,
            min_capacity=min_capacity,
            max_capacity=max_capacity,
            opts=ResourceOptions(parent=self),
        )
        self.policy = appautoscaling.Policy(
            f"{name}-demand",
            policy_type="TargetTrackingScaling",
            service_namespace=self.target.service_namespace,
            scalable_dimension=self.target.scalable_dimension,
            resource_id=self.target.resource_id,
            target_tracking_scaling_policy_configuration={
                "target_value": 1.0,
                "scale_out_cooldown": 60,
                "scale_in_cooldown": 300,
                "customized_metric_specification": {
                    "namespace": metrics.NAMESPACE,
                    "metric_name": metrics.DEMAND_PER_CAPACITY.name,
                    "statistic": "Maximum",
                    "dimensions": [{"name": metrics.DIMENSION, "value": pulumi.get_stack()}],
                },
            },
            opts=ResourceOptions(parent=self),
        )
        for warm in prewarm:
            self._scheduled(
                f"{name}-{warm.name}-start", warm.start, warm.timezone, warm.capacity, max_capacity
            )
            self._scheduled(f"{name}-{warm.name}-end", warm.end, warm.timezone, min_capacity, max_capacity)
        self.register_outputs({})

    def _scheduled(
        self, name: str, schedule: str, timezone: str, min_capacity: int, max_capacity: int
    ) -> None:
        appautoscaling.ScheduledAction(
            name,
            name=name,
            service_namespace=self.target.service_namespace,
            scalable_dimension=self.target.scalable_dimension,
            resource_id=self.target.resource_id,
            schedule=schedule,
            timezone=timezone,
            scalable_target_action={"min_capacity": min_capacity, "max_capacity": max_capacity},
            opts=ResourceOptions(parent=self),
        )
