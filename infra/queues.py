"""Stage queues: what joins the workers, and nothing else does."""

from __future__ import annotations

import json
from dataclasses import dataclass

import pulumi
from pulumi import ComponentResource, Output, ResourceOptions
from pulumi_aws import sqs

from infra.protection import stateful
from infra.settings import STAGES, QueueSettings, queue_name

LONG_POLL_S = 20
"""An empty receive costs as much as a full one: wait as long as SQS allows."""

MAX_MESSAGE_BYTES = 1024 * 1024
DAY_S = 24 * 60 * 60


@dataclass(frozen=True)
class StageQueue:
    """A stage's queue and the dead letter queue behind it."""

    main: sqs.Queue
    dead: sqs.Queue


class Queues(ComponentResource):
    """A queue for each stage, encrypted, over TLS only, each with a dead letter queue of its own.

    `fetch` is FIFO with the host as message group: SQS lets one worker at a time hold a host. Idle cost: none.
    Changing `name_prefix` replaces every queue and loses what they hold: refused in a protected stack.
    """

    def __init__(
        self,
        name: str,
        settings: QueueSettings,
        name_prefix: str,
        protect: bool,
        opts: ResourceOptions | None = None,
    ) -> None:
        super().__init__("trawler:infra:Queues", name, {}, opts)
        self.stages = {
            stage: self._stage(f"{name}-{stage}", stage, settings, name_prefix, protect) for stage in STAGES
        }
        self.register_outputs({stage: queues.main.url for stage, queues in self.stages.items()})

    def _stage(
        self, name: str, stage: str, settings: QueueSettings, prefix: str, protect: bool
    ) -> StageQueue:
        dead = self._queue(
            f"{name}-dead",
            queue_name(prefix, stage, dead=True),
            settings.visibility_s,
            # A moved message keeps its age: the dead letter queue must keep it longer than the queue did.
            (settings.retention_days + 1) * DAY_S,
            protect,
        )
        main = self._queue(
            name,
            queue_name(prefix, stage),
            settings.visibility_s,
            settings.retention_days * DAY_S,
            protect,
        )
        parent = ResourceOptions(parent=self)
        sqs.RedrivePolicy(
            f"{name}-redrive",
            queue_url=main.url,
            redrive_policy=Output.json_dumps(
                {"deadLetterTargetArn": dead.arn, "maxReceiveCount": settings.max_receive_count}
            ),
            opts=parent,
        )
        sqs.RedriveAllowPolicy(
            f"{name}-dead-allow",
            queue_url=dead.url,
            redrive_allow_policy=Output.json_dumps(
                {"redrivePermission": "byQueue", "sourceQueueArns": [main.arn]}
            ),
            opts=parent,
        )
        return StageQueue(main, dead)

    def _queue(
        self, name: str, physical_name: str, visibility_s: int, retention_s: int, protect: bool
    ) -> sqs.Queue:
        fifo = physical_name.endswith(".fifo")
        queue = sqs.Queue(
            name,
            name=physical_name,
            fifo_queue=True if fifo else None,
            # High throughput mode: 300 calls a second for each host instead of for the queue.
            deduplication_scope="messageGroup" if fifo else None,
            fifo_throughput_limit="perMessageGroupId" if fifo else None,
            max_message_size=MAX_MESSAGE_BYTES,
            message_retention_seconds=retention_s,
            receive_wait_time_seconds=LONG_POLL_S,
            sqs_managed_sse_enabled=True,
            visibility_timeout_seconds=visibility_s,
            opts=stateful(self, protect),
        )
        sqs.QueuePolicy(
            f"{name}-policy",
            queue_url=queue.url,
            policy=queue.arn.apply(_tls_only),
            opts=ResourceOptions(parent=self),
        )
        return queue


def _tls_only(arn: str) -> str:
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "TlsOnly",
                    "Effect": "Deny",
                    "Principal": "*",
                    "Action": "sqs:*",
                    "Resource": arn,
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                }
            ],
        }
    )


def urls(queues: Queues) -> dict[str, pulumi.Output[str]]:
    """Stage → URL of its queue."""
    return {stage: queue.main.url for stage, queue in queues.stages.items()}
