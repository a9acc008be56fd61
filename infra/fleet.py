"""The Spot Fleet whose instances are Mesos agents."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

import pulumi
from pulumi import ComponentResource, Input, Output, ResourceOptions
from pulumi_aws import ec2

from infra.settings import FleetSettings

SCALABLE_DIMENSION = "ec2:spot-fleet-request:TargetCapacity"


class Fleet(ComponentResource):
    """A launch template, and a Spot Fleet request that keeps its instances over many pools.

    Once running, Application Auto Scaling owns the target capacity: no update of this program resets it. A new
    version of the launch template replaces the request and with it every instance. In a protected stack the
    engine refuses that, in a preview too, unless the settings carry a `roll`: then the new request starts with
    the capacity the old one had, and the old one leaves the state and lives on until `make roll` has drained it.
    Costs what its instances cost; at least `min_capacity` units always run, `base_capacity` of them on demand.

    What an Auto Scaling group could serve as well: `request_id`, `resource_id`, `scalable_dimension`.
    """

    scalable_dimension = SCALABLE_DIMENSION

    def __init__(
        self,
        name: str,
        settings: FleetSettings,
        subnet_ids: Mapping[str, Input[str]],
        group_id: Input[str],
        role_arn: Input[str],
        profile_arn: Input[str],
        user_data: str,
        protect: bool,
        depends_on: Sequence[pulumi.Resource] = (),
        opts: ResourceOptions | None = None,
    ) -> None:
        """Register the fleet.

        Args:
            name: logical name.
            settings: the fleet's settings.
            subnet_ids: zone → subnet of the agents.
            group_id: the agents' security group.
            role_arn: role of Spot Fleet itself.
            profile_arn: instance profile of the agents.
            user_data: first-boot script, plain text, without a secret.
            protect: the stack's setting.
            depends_on: what must stand before an instance starts.
            opts: options of the component.
        """
        super().__init__("trawler:infra:Fleet", name, {}, opts)
        self.template = self._template(name, settings, group_id, profile_arn, user_data)
        rolling = settings.roll is not None
        self.request = ec2.SpotFleetRequest(
            f"{name}-request",
            iam_fleet_role=role_arn,
            fleet_type="maintain",
            target_capacity=settings.roll.capacity if settings.roll else settings.min_capacity,
            on_demand_target_capacity=settings.base_capacity,
            allocation_strategy="priceCapacityOptimized",
            # Scaled in, AWS ends instances with the notice that the node's drainer waits for. `make roll` sets
            # NoTermination on the old request, whose nodes drain and power themselves off.
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
                        {
                            "instance_type": instance_type,
                            "subnet_id": subnet_ids[zone],
                            "weighted_capacity": float(weight),
                        }
                        for instance_type, weight in sorted(settings.instance_types.items())
                        for zone in sorted(subnet_ids)
                    ],
                }
            ],
            wait_for_fulfillment=False,
            opts=ResourceOptions(
                parent=self,
                depends_on=list(depends_on),
                # Not held on a replacement: then the new request starts with what the program says.
                ignore_changes=["targetCapacity"],
                protect=protect and not rolling,
                retain_on_delete=protect,
            ),
        )
        self.request_id: Output[str] = self.request.id
        self.resource_id: Output[str] = Output.concat("spot-fleet-request/", self.request.id)
        self.register_outputs({"requestId": self.request.id})

    def _template(
        self,
        name: str,
        settings: FleetSettings,
        group_id: Input[str],
        profile_arn: Input[str],
        user_data: str,
    ) -> ec2.LaunchTemplate:
        tags = {
            "Project": pulumi.get_project(),
            "Stack": pulumi.get_stack(),
            "Role": "agent",
            "Name": f"{pulumi.get_project()}-{pulumi.get_stack()}-agent",
        }
        return ec2.LaunchTemplate(
            f"{name}-agent",
            image_id=settings.ami,
            iam_instance_profile={"arn": profile_arn},
            vpc_security_group_ids=[group_id],
            block_device_mappings=[
                {
                    "device_name": "/dev/xvda",
                    "ebs": {
                        "encrypted": "true",
                        "delete_on_termination": "true",
                        "volume_type": "gp3",
                        "volume_size": settings.volume_gb,
                    },
                }
            ],
            metadata_options={
                "http_endpoint": "enabled",
                "http_tokens": "required",
                # One hop ends on the host. A container on a bridge network is one hop further.
                "http_put_response_hop_limit": 2 if settings.task_network == "bridge" else 1,
                # The drainer reads the tag by which `make roll` asks a node to leave.
                "instance_metadata_tags": "enabled",
            },
            # A drained node powers itself off; stopped, it would be billed and count as capacity.
            instance_initiated_shutdown_behavior="terminate",
            tag_specifications=[
                {"resource_type": kind, "tags": tags} for kind in ("instance", "volume", "network-interface")
            ],
            user_data=base64.b64encode(user_data.encode()).decode(),
            update_default_version=True,
            opts=ResourceOptions(parent=self),
        )
