"""What the program registers of the fleet and its scaling, and what it lets the engine refuse."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.program.engine import ROOT, Program, run

SCHEDULED = "aws:appautoscaling/scheduledAction:ScheduledAction"


@pytest.fixture(scope="module")
def prod(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """The production program, run once for the tests that only read."""
    return run(tmp_path_factory.mktemp("prod"), "prod")


def fleet(stack: str = "prod", **changes: Any) -> dict[str, Any]:
    """A stack's fleet with other values."""
    config = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]
    return {**config["trawler:fleet"], **changes}


def test_production_spreads_over_at_least_ten_types_in_all_zones_by_weight(prod: Program) -> None:
    (config,) = prod.named("fleet-request").inputs["launchTemplateConfigs"]
    types = {o["instanceType"]: o["weightedCapacity"] for o in config["overrides"]}
    assert len(types) >= 10
    assert types["c6i.xlarge"] == 2 * types["c6i.large"]
    assert len(config["overrides"]) == 3 * len(types)


def test_the_request_keeps_itself_alive_and_ends_its_machines(prod: Program) -> None:
    request = prod.named("fleet-request").inputs
    assert request["fleetType"] == "maintain"
    assert request["allocationStrategy"] == "priceCapacityOptimized"
    assert request["onDemandTargetCapacity"] >= 1
    assert request["excessCapacityTerminationPolicy"] == "Default"
    assert request["spotMaintenanceStrategies"]["capacityRebalance"]["replacementStrategy"] == "launch"
    assert request["terminateInstancesOnDelete"] == "true"


def test_machines_are_encrypted_tagged_and_gone_when_they_power_off(prod: Program) -> None:
    template = prod.named("fleet-agent").inputs
    assert all(d["ebs"]["encrypted"] == "true" for d in template["blockDeviceMappings"])
    assert template["instanceInitiatedShutdownBehavior"] == "terminate"
    tagged = {t["resourceType"]: t["tags"] for t in template["tagSpecifications"]}
    assert set(tagged) == {"instance", "volume", "network-interface"}
    assert all(tags["Project"] == "trawler" and tags["Stack"] == "prod" for tags in tagged.values())
    assert "keyName" not in template


@pytest.mark.parametrize(("network", "hops"), [("host", 1), ("bridge", 2)])
def test_metadata_reaches_as_far_as_the_tasks_network_needs(tmp_path: Path, network: str, hops: int) -> None:
    program = run(tmp_path, "prod", fleet=fleet(taskNetwork=network))
    options = program.named("fleet-agent").inputs["metadataOptions"]
    assert (options["httpTokens"], options["httpPutResponseHopLimit"]) == ("required", hops)


def test_user_data_is_small_and_names_no_secret_value(prod: Program) -> None:
    text = base64.b64decode(prod.named("fleet-agent").inputs["userData"]).decode()
    assert len(text.encode()) <= 16 * 1024
    assert "trawler/prod/mesos-agent" in text
    assert "zk://master-1.prod.trawler.internal:2181" in text


def test_the_engine_refuses_to_replace_a_protected_fleet(prod: Program) -> None:
    options = prod.named("fleet-request").options
    assert (options.protect, options.retainOnDelete) == (True, True)
    assert list(options.ignoreChanges) == ["targetCapacity"]


def test_a_roll_starts_the_new_request_at_todays_capacity_and_lets_the_old_one_live(tmp_path: Path) -> None:
    request = run(tmp_path, "prod", fleet=fleet(roll={"capacity": 23})).named("fleet-request")
    assert request.inputs["targetCapacity"] == 23
    assert (request.options.protect, request.options.retainOnDelete) == (False, True)


def test_an_unprotected_fleet_is_replaced_and_destroyed_with_its_machines(tmp_path: Path) -> None:
    options = run(tmp_path, "dev").named("fleet-request").options
    assert (options.protect, options.retainOnDelete) == (False, False)


def test_auto_scaling_keeps_to_the_base_and_the_ceiling(prod: Program) -> None:
    target = prod.named("autoscaling-target").inputs
    assert (target["minCapacity"], target["maxCapacity"]) == (2, 40)
    assert "roleArn" not in target


def test_a_known_crawl_is_prewarmed_and_the_floor_given_back(prod: Program) -> None:
    actions = {a.name: a.inputs for a in prod.of(SCHEDULED)}
    start, end = actions["autoscaling-nightly-start"], actions["autoscaling-nightly-end"]
    assert start["scalableTargetAction"] == {"minCapacity": 16, "maxCapacity": 40}
    assert end["scalableTargetAction"] == {"minCapacity": 2, "maxCapacity": 40}
    assert start["schedule"] != end["schedule"]


def test_what_must_never_be_interrupted_runs_on_demand(prod: Program) -> None:
    assert ["lifecycle", "LIKE", "on-demand"] in prod.named("apps-plan").inputs["manifest"]["constraints"]


def test_no_task_starts_before_agents_may_fetch_its_release_and_no_machine_before_its_way_out(
    prod: Program,
) -> None:
    def waits_for(name: str) -> set[str]:
        return {urn.rsplit("::", 1)[-1] for urn in prod.named(name).options.dependencies}

    assert {"storage-artifacts-policy", "release"} <= waits_for("apps-fetch")
    for machine in ("fleet-request", "cluster-master-1"):
        assert {"network-public-out", "identity-agent-node", "logs-agents"} <= waits_for(machine)
