"""The Spot Fleet whose instances are Mesos agents."""

from __future__ import annotations

import base64
from collections.abc import Sequence

import pulumi
from pulumi import ComponentResource, Output, ResourceOptions
from pulumi_aws import ec2

from infra.settings import FleetSettings

SCALABLE_DIMENSION = "ec2:spot-fleet-request:TargetCapacity"


class Fleet(ComponentResource):
    """A launch template, and a Spot Fleet request that keeps its instances over many pools.

    Once running, Application Auto Scaling owns the target capacity: no update of this program resets it. A new
    version of the launch template replaces the request and with it every instance. Costs what its instances
    cost; at least `min_capacity` of them always run, `base_capacity` of those on demand.
    """

    def __init__(
        self,
        name: str,
        settings: FleetSettings,
        role_arn: pulumi.Input[str],
        profile_arn: pulumi.Input[str],
        marathon_urls: Sequence[str],
        depends_on: Sequence[pulumi.Resource] = (),
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("trawler:infra:Fleet", name, {}, opts)
        tags = {"Project": pulumi.get_project(), "Stack": pulumi.get_stack()}
        self.template = ec2.LaunchTemplate(
            f"{name}-agent",
            image_id=settings.ami,
            iam_instance_profile={"arn": profile_arn},
            block_device_mappings=[
                {
                    "device_name": "/dev/xvda",
                    "ebs": {
                        "encrypted": "true",
                        "delete_on_termination": "true",
                        "volume_type": "gp3",
                        "volume_size": 30,
                    },
                }
            ],
            # Hop limit 1: a container on a bridge network never reaches the machine's credentials.
            metadata_options={
                "http_endpoint": "enabled",
                "http_tokens": "required",
                "http_put_response_hop_limit": 1,
            },
            tag_specifications=[
                {"resource_type": "instance", "tags": {**tags, "Name": f"{pulumi.get_stack()}-agent"}},
                {"resource_type": "volume", "tags": tags},
            ],
            user_data=base64.b64encode(user_data(marathon_urls).encode()).decode(),
            update_default_version=True,
            opts=ResourceOptions(parent=self),
        )
        self.request = ec2.SpotFleetRequest(
            f"{name}-request",
            iam_fleet_role=role_arn,
            fleet_type="maintain",
            target_capacity=settings.min_capacity,
            on_demand_target_capacity=settings.base_capacity,
            allocation_strategy="priceCapacityOptimized",
            excess_capacity_termination_policy="Default",
            instance_interruption_behaviour="terminate",
            replace_unhealthy_instances=True,
            # Text, not a bool: without it `destroy` cancels the request and leaves its instances running.
            terminate_instances_on_delete="true",
            spot_maintenance_strategies={"capacity_rebalance": {"replacement_strategy": "launch"}},
            launch_template_configs=[
                {
                    "launch_template_specification": {
                        "id": self.template.id,
                        "version": self.template.latest_version.apply(str),
                    },
                    "overrides": [
                        {"instance_type": instance_type, "availability_zone": zone}
                        for instance_type in settings.instance_types
                        for zone in settings.zones
                    ],
                }
            ],
            wait_for_fulfillment=False,
            opts=ResourceOptions(parent=self, depends_on=list(depends_on), ignore_changes=["targetCapacity"]),
        )
        self.resource_id: Output[str] = Output.concat("spot-fleet-request/", self.request.id)
        self.register_outputs({"requestId": self.request.id})


def user_data(marathon_urls: Sequence[str]) -> str:
    """First-boot script of an agent: where its cluster is, for the Mesos agent that the image brings."""
    return "\n".join(
        [
            "#cloud-config",
            "write_files:",
            "  - path: /etc/trawler/marathon",
            "    permissions: '0644'",
            f'    content: "{" ".join(marathon_urls)}"',
            "",
        ]
    )
