"""A stack file, turned into what the program needs on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from local.stack.configuration import Place, localised, read, secret_names
from local.stack.processes import StackError

PLACE = Place({"s3": "http://127.0.0.1:15000", "sqs": "http://127.0.0.1:15001"}, 15003)


def a_stack_file(**config: Any) -> dict[str, Any]:
    return {
        "secretsprovider": "awskms://alias/trawler",
        "encryptedkey": "AQIC",
        "config": {"aws:region": "eu-west-1", "trawler:fleet": {"maxCapacity": 4}, **config},
    }


def test_every_way_to_an_account_or_a_key_is_dropped_and_the_rest_stays() -> None:
    given = a_stack_file(
        **{
            "aws:profile": "prod",
            "aws:allowedAccountIds": ["123456789012"],
            "aws:assumeRoles": [{"roleArn": "arn:aws:iam::123456789012:role/deploy"}],
            "aws:endpoints": [{"s3": "https://s3.example.com"}],
            "aws:defaultTags": {"tags": {"Project": "trawler"}},
        }
    )
    before = yaml.safe_dump(given)
    assert localised(given, PLACE) == {
        "config": {
            "aws:region": "eu-west-1",
            "aws:endpoints": [{"s3": "http://127.0.0.1:15000", "sqs": "http://127.0.0.1:15001"}],
            "aws:defaultTags": {"tags": {"Project": "trawler"}},
            "trawler:fleet": {"maxCapacity": 4},
        }
    }
    assert yaml.safe_dump(given) == before


def test_an_existing_cluster_is_the_local_marathon() -> None:
    cluster = {
        "mode": "existing",
        "marathonUrls": ["http://a:8080", "http://b:8080"],
        "zookeeper": "zk://a:2181/m",
    }
    config = localised(a_stack_file(**{"trawler:cluster": cluster}), PLACE)["config"]
    assert config["trawler:cluster"] == {**cluster, "marathonUrls": ["http://127.0.0.1:15003"]}


def test_a_managed_cluster_is_reached_as_if_a_tunnel_led_to_the_local_marathon() -> None:
    cluster = {"mode": "managed", "access": {"via": "vpc"}, "credentialsSecret": "prod/marathon"}
    config = localised(a_stack_file(**{"trawler:cluster": cluster}), PLACE)["config"]
    assert config["trawler:cluster"] == {**cluster, "access": {"via": "tunnel", "port": 15003}}


@pytest.mark.parametrize(
    ("given", "expected"),
    [("build/local/shops", "workers/shops"), ("workers/shops", "workers/shops"), ("my/shops", "my/shops")],
)
def test_shops_that_are_made_at_run_time_are_those_of_the_checkout(given: str, expected: str) -> None:
    config = localised(a_stack_file(**{"trawler:shops": given}), PLACE)["config"]
    assert config["trawler:shops"] == expected


def test_an_encrypted_value_is_named_and_refused() -> None:
    secret = {"users": [{"name": "a"}, {"name": "b", "password": {"secure": "v1:abc"}}]}
    with pytest.raises(StackError, match=r"trawler:cluster\.users\[1\]\.password is encrypted"):
        localised(a_stack_file(**{"trawler:cluster": secret}), PLACE)


def test_the_entries_a_stack_file_names_are_found_wherever_they_stand() -> None:
    cluster = {
        "credentialsSecret": "a",
        "agentSecret": None,
        "masters": {"frameworkSecret": "b", "ami": "ami-1"},
    }
    config = a_stack_file(**{"trawler:cluster": cluster, "trawler:otherSecret": "c"})
    assert secret_names(config) == {"credentialsSecret": "a", "frameworkSecret": "b"}
    assert secret_names({"config": {}}) == {}


def test_a_stack_without_a_file_is_told_with_those_that_have_one(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"Pulumi\.prod\.yaml: no such stack file; there is no stack at all"):
        read(tmp_path / "Pulumi.prod.yaml")
    for name in ("dev", "local"):
        (tmp_path / f"Pulumi.{name}.yaml").write_text("config: {}")
    with pytest.raises(StackError, match="the stacks there are dev, local"):
        read(tmp_path / "Pulumi.prod.yaml")


@pytest.mark.parametrize("text", ["", "[]", "config: 3", "a: [", "secretsprovider: x"])
def test_a_file_that_is_no_stack_file_is_one_clear_text(tmp_path: Path, text: str) -> None:
    path = tmp_path / "Pulumi.prod.yaml"
    path.write_text(text)
    with pytest.raises(StackError, match=str(path)):
        read(path)
