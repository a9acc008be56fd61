"""Checks of what the account holds: most of it can be proven nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import boto3
import requests
from botocore.config import Config
from botocore.exceptions import ClientError

from ops.smoke.findings import FailedCheck
from ops.smoke.site import Site

TIMEOUT_S = (5, 20)
REFUSED = {"AccessDenied", "AccessDeniedException", "403", "Forbidden"}


def fleet_is_up(site: Site) -> str:
    """The request has its capacity, on instances that have booted."""
    request_id: str = site.output("fleetRequest")

    def look() -> str | None:
        request = site.requests.describe(request_id)
        if request is None or request.fulfilled < request.target:
            return None
        nodes = site.nodes()
        booted = site.requests.healthy(nodes)
        return (
            f"{len(nodes)} instances, {request.fulfilled:g} units" if nodes and booted == len(nodes) else None
        )

    found = site.pace.until(look, site.timeout_s)
    if found is None:
        request = site.requests.describe(request_id)
        raise FailedCheck(
            f"after {site.timeout_s:.0f} s: {request}, {site.requests.healthy(site.nodes())} booted",
            "EC2 console, Spot Requests, History: capacity, quota (vCPUs of spot instances) or a role",
        )
    return found


def metadata_is_guarded(site: Site) -> str:
    """Instances give credentials to nobody without a token, nor beyond the host."""
    site.require_account("moto takes no metadata options from a launch template")
    hops = 2 if site.file.setting("fleet.taskNetwork") == "bridge" else 1
    for instance in _instances(site):
        options = instance.get("MetadataOptions", {})
        if options.get("HttpTokens") != "required" or options.get("HttpPutResponseHopLimit") != hops:
            raise FailedCheck(
                f"{instance['InstanceId']} has {options}",
                "the launch template's metadata options were not taken",
            )
    return f"tokens required, hop limit {hops}"


def disks_are_encrypted(site: Site) -> str:
    """Every volume of the fleet is encrypted, and carries the tags it is billed by."""
    site.require_account("moto makes no volume of a launch template's block devices")
    ids = [instance["InstanceId"] for instance in _instances(site)]
    volumes = site.client("ec2").describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": ids}])
    for volume in volumes["Volumes"]:
        tags = {tag["Key"] for tag in volume.get("Tags", [])}
        if not volume["Encrypted"] or not {"Project", "Stack"} <= tags:
            raise FailedCheck(
                f"{volume['VolumeId']}: encrypted {volume['Encrypted']}, tags {sorted(tags)}",
                "the launch template's block devices or tag specifications were not taken",
            )
    return f"{len(volumes['Volumes'])} volumes, encrypted and tagged"


def buckets_are_private(site: Site) -> str:
    """Both buckets are encrypted and block public access."""
    s3 = site.client("s3")
    for bucket in (site.output("artifactBucket"), site.output("pagesBucket")):
        rules = s3.get_bucket_encryption(Bucket=bucket)["ServerSideEncryptionConfiguration"]["Rules"]
        blocked = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
        if not rules or not all(blocked.values()):
            raise FailedCheck(
                f"{bucket}: {rules}, {blocked}", "see infra/storage.py; was it changed by hand?"
            )
    return "encrypted, all four public access blocks"


def plain_http_is_denied(site: Site) -> str:
    """SQS and S3 refuse the operator's own credentials over plain HTTP."""
    site.require_account("the stand-ins speak plain HTTP themselves")
    region = site.file.connection.region
    url: str = site.output("queueUrls")["plan"]
    bucket: str = site.output("artifactBucket")
    _denied(
        lambda: _plain(site, "sqs", f"http://sqs.{region}.amazonaws.com").get_queue_attributes(QueueUrl=url),
        "SQS answered over plain HTTP",
        "the queue's policy lacks its Deny on aws:SecureTransport",
    )
    _denied(
        lambda: _plain(site, "s3", f"http://s3.{region}.amazonaws.com").head_bucket(Bucket=bucket),
        "S3 answered over plain HTTP",
        "the bucket's policy lacks its Deny on aws:SecureTransport",
    )
    return "SQS and S3 deny it"


def release_is_private(site: Site) -> str:
    """The release, which any agent reads without credentials, is refused from outside the VPC."""
    site.require_account("moto evaluates no bucket policy")
    region, bucket = site.file.connection.region, site.output("artifactBucket")
    url = f"https://{bucket}.s3.{region}.amazonaws.com/releases/{site.output('release')}.tar.gz"
    try:
        status = requests.head(url, timeout=TIMEOUT_S).status_code
    except requests.RequestException as e:
        raise FailedCheck(f"S3 does not answer: {e}", "is there a way to the internet from here?") from None
    if status != 403:
        raise FailedCheck(
            f"{url} answered {status} without credentials",
            "unless this machine stands in the VPC, the bucket's policy lets too many in: infra/storage.py",
        )
    return "403 from outside; that tasks run proves it readable inside"


def queues_are_encrypted(site: Site) -> str:
    """Every queue, dead letter queues too, encrypts what it holds."""
    sqs = site.client("sqs")
    urls = [*site.output("queueUrls").values(), *site.output("deadLetterQueueUrls").values()]
    for url in urls:
        attributes = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        if attributes.get("SqsManagedSseEnabled") != "true" and not attributes.get("KmsMasterKeyId"):
            raise FailedCheck(f"{url} is not encrypted", "see infra/queues.py; was it changed by hand?")
    return f"{len(urls)} queues"


def nothing_is_dead(site: Site) -> str:
    """No dead letter queue holds a message."""
    sqs = site.client("sqs")
    names = ["ApproximateNumberOfMessages"]
    for stage, url in site.output("deadLetterQueueUrls").items():
        held = int(sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"][names[0]])
        if held:
            raise FailedCheck(
                f"{held} messages in the dead letter queue of {stage}",
                "read one: its body names the error; the worker's log has the rest",
            )
    return "all dead letter queues are empty"


def logs_arrive(site: Site) -> str:
    """The agents' journals reach CloudWatch."""
    site.require_account("no machine boots here")
    group = f"/trawler/{site.file.stack}/agents"
    if not site.file.setting("monitoring"):
        return "monitoring is not set: nothing is shipped"

    def look() -> int | None:
        streams = site.client("logs").describe_log_streams(logGroupName=group, limit=50)["logStreams"]
        return len(streams) or None

    found = site.pace.until(look, site.timeout_s)
    if found is None:
        raise FailedCheck(
            f"{group} has no stream",
            "on an agent (aws ssm start-session): systemctl status amazon-cloudwatch-agent; its role's policy",
        )
    return f"{found} streams in {group}"


def _instances(site: Site) -> list[Any]:
    ids = [node.id for node in site.nodes()]
    if not ids:
        raise FailedCheck("the fleet has no instance", "see the check of the fleet")
    pages = (
        site.client("ec2")
        .get_paginator("describe_instances")
        .paginate(Filters=[{"Name": "instance-id", "Values": ids[:100]}])
    )
    return [i for page in pages for r in page["Reservations"] for i in r["Instances"]]


def _plain(site: Site, service: str, url: str) -> Any:
    session: Any = boto3.Session(
        profile_name=site.file.connection.profile, region_name=site.file.connection.region
    )
    config = Config(connect_timeout=5, read_timeout=20, retries={"total_max_attempts": 2})
    return session.client(service, endpoint_url=url, use_ssl=False, config=config)


def _denied(call: Callable[[], Any], found: str, todo: str) -> None:
    try:
        call()
    except ClientError as e:
        code = e.response.get("Error", {}).get("Code", "")
        if code in REFUSED:
            return
        raise FailedCheck(
            f"{found.split(maxsplit=1)[0]} over plain HTTP: {e}", "neither denied nor answered"
        ) from None
    raise FailedCheck(found, todo)
