"""Protection and tags."""

from __future__ import annotations

import json
from typing import Any

from policies.rules.machines import LAUNCH_TEMPLATE
from policies.rules.protection import LIFECYCLE, STATEFUL
from policies.rules.queues import QUEUE
from policies.rules.storage import BUCKET
from tests.unit.policies.examples.example import Breaks, Examples, Keeps
from tests.unit.policies.judge import UNKNOWN, Declared

PAGES = Declared(BUCKET, "pages")
BOTH = {"Project": "trawler", "Stack": "prod"}


def expiring(days: int, **parts: Any) -> list[Declared]:
    rule = {"status": "Enabled", "filter": {"prefix": ""}, "expiration": {"days": days}, **parts}
    return [PAGES, Declared(LIFECYCLE, "days", {"rules": [rule]}, of={"bucket": "pages"})]


def template(**tags_of: dict[str, Any]) -> list[Declared]:
    specifications = [{"resourceType": kind, "tags": tags} for kind, tags in tags_of.items()]
    return [Declared(LAUNCH_TEMPLATE, props={"tagSpecifications": specifications})]


EXAMPLES: Examples = {
    "stateful-protected": (
        [Breaks(kind.rsplit(":", 1)[-1], [Declared(kind)], "not protected") for kind in STATEFUL],
        [
            Keeps("protected", [Declared(kind, protect=True) for kind in STATEFUL]),
            Keeps("a stack that is thrown away", [Declared(kind, stack="dev") for kind in STATEFUL]),
            Keeps("what holds nothing", [Declared("aws:ec2/subnet:Subnet")]),
        ],
    ),
    "bucket-protected": (
        [
            Breaks("a bucket that keeps", [PAGES], "pages: not protected"),
            Breaks("one that keeps for years", expiring(365), "not protected"),
            Breaks("only a prefix expires", expiring(3, filter={"prefix": "tmp/"}), "not protected"),
            Breaks("only a tag's objects", expiring(3, filter={"tag": {"key": "a"}}), "not protected"),
            Breaks("turned off", expiring(3, status="Disabled"), "not protected"),
            Breaks("only unfinished uploads", expiring(3, expiration={}), "not protected"),
        ],
        [
            Keeps("protected", [Declared(BUCKET, protect=True)]),
            Keeps("every object expires", expiring(3)),
            Keeps("a stack that is thrown away", [Declared(BUCKET, stack="local")]),
        ],
    ),
    "resource-tagged": (
        [
            Breaks("none", [Declared(QUEUE)], "no tag Project and Stack"),
            Breaks("one", [Declared(QUEUE, props={"tags": {"Project": "trawler"}})], "no tag Stack:"),
            Breaks("an empty one", [Declared(QUEUE, props={"tags": {**BOTH, "Stack": ""}})], "no tag Stack:"),
        ],
        [
            Keeps("its own", [Declared(QUEUE, props={"tags": BOTH})]),
            Keeps("merged", [Declared(QUEUE, props={"tagsAll": BOTH})]),
            Keeps("not known yet", [Declared(QUEUE, props={"tags": {**BOTH, "Stack": UNKNOWN}})]),
            Keeps("the provider's", [Declared(QUEUE, provider={"defaultTags": {"tags": BOTH}})]),
            Keeps(
                "the default provider's, which are text",
                [Declared(QUEUE, provider={"defaultTags": json.dumps({"tags": BOTH})})],
            ),
            Keeps("what takes no tags", [Declared("aws:ec2/route:Route")]),
        ],
    ),
    "machines-tagged": (
        [
            Breaks("none", template(), "instances get no tag Project and Stack"),
            Breaks("volumes not", template(instance=BOTH), "volumes get no tag"),
            Breaks("one", template(instance=BOTH, volume={"Project": "x"}), "volumes get no tag Stack:"),
        ],
        [Keeps("both", template(instance=BOTH, volume=BOTH))],
    ),
}
