"""A stand-in for the engine that remembers what the program registered: inputs and options."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import runpy
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pulumi.runtime import mocks, rpc
from pulumi.runtime.config import set_all_config

ROOT = Path(__file__).resolve().parents[2]
ACCOUNT = "123456789012"


@dataclass
class Registered:
    """A resource as the engine would see it."""

    type: str
    name: str
    inputs: dict[str, Any]
    options: Any = None


@dataclass
class Program:
    """Everything that one run of the program registered."""

    resources: list[Registered] = field(default_factory=list)

    def of(self, type_: str) -> list[Registered]:
        """The resources of a type, such as `aws:sqs/queue:Queue`."""
        return [r for r in self.resources if r.type == type_]

    def named(self, name: str) -> Registered:
        """The one resource of that logical name."""
        found = [r for r in self.resources if r.name == name]
        assert len(found) == 1, f"{len(found)} resources are named {name}"
        return found[0]


class _Mocks(mocks.Mocks):
    """Answers as AWS would: identifiers of the right shape, so that policies can be read."""

    def new_resource(  # noqa: PLR0911  a case for each kind of identifier
        self, args: mocks.MockResourceArgs
    ) -> tuple[str | None, dict[Any, Any]]:
        outputs = dict(args.inputs)
        physical = args.inputs.get("name") or args.name
        service = args.typ.split(":")[1].split("/")[0] if args.typ.startswith("aws:") else ""
        outputs.setdefault("arn", f"arn:aws:{service}:us-east-1:{ACCOUNT}:{physical}")
        outputs.setdefault("name", physical)
        match args.typ:
            case "aws:sqs/queue:Queue":
                url = f"https://sqs.us-east-1.amazonaws.com/{ACCOUNT}/{physical}"
                return url, {**outputs, "url": url}
            case "aws:s3/bucket:Bucket":
                regional = f"{args.name}.s3.us-east-1.amazonaws.com"
                arn = f"arn:aws:s3:::{args.name}"
                return args.name, {
                    **outputs,
                    "bucket": args.name,
                    "arn": arn,
                    "bucketRegionalDomainName": regional,
                }
            case "aws:ec2/launchTemplate:LaunchTemplate":
                return "lt-0123456789abcdef0", {**outputs, "latestVersion": 7}
            case "aws:ec2/spotFleetRequest:SpotFleetRequest":
                return "sfr-0123", outputs
            case "aws:lb/loadBalancer:LoadBalancer" | "aws:lb/targetGroup:TargetGroup":
                return str(outputs["arn"]), {**outputs, "arnSuffix": f"{args.name}/0123456789abcdef"}
            case "aws:ec2/vpcEndpoint:VpcEndpoint":
                return f"vpce-{args.name}", outputs
            case _:
                return f"{args.name}-id", outputs

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        if args.token == "aws:index/getCallerIdentity:getCallerIdentity":
            return {"accountId": ACCOUNT}, []
        raise AssertionError(f"the program must read nothing of an account but whose it is: {args.token}")


class _Monitor(mocks.MockMonitor):
    def __init__(self, answers: mocks.Mocks, program: Program) -> None:
        super().__init__(answers)
        self._program = program

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802  the engine's method
        inputs = plain(rpc.deserialize_properties(request.object))
        self._program.resources.append(Registered(request.type, request.name, inputs, request))
        return super().RegisterResource(request)


def plain(value: Any) -> Any:
    """Secrets unwrapped, whole floats as ints."""
    if isinstance(value, dict):
        if "4dabf18193072939515e22adb298388d" in value:
            return plain(value.get("value"))
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def run(tmp_path: Path, stack: str = "local", **changed: Any) -> Program:
    """Run the program as the engine would, with the tracked configuration of a stack and changes to it.

    Args:
        tmp_path: a folder of this run's own.
        stack: whose `Pulumi.<stack>.yaml` is read.
        changed: key in the project's namespace → value; None takes the key out.

    Raises:
        pulumi.RunError: the program refuses its input.
    """
    config: dict[str, Any] = yaml.safe_load((ROOT / f"Pulumi.{stack}.yaml").read_text())["config"]
    shops = tmp_path / "shops"
    shops.mkdir(exist_ok=True)
    (shops / "one.toml").write_text('name = "one"\nseeds = ["https://one.example/"]\n')
    config["trawler:shops"] = os.path.relpath(shops, ROOT)
    for key, value in changed.items():
        config[f"trawler:{key}"] = value
    # A test asks no registry, unless it is about that.
    config["trawler:image"] = {"verify": False, **(config.get("trawler:image") or {})}
    texts = {k: v if isinstance(v, str) else json.dumps(v) for k, v in config.items() if v is not None}
    # A thread, an event loop and a context of this run's own: the SDK keeps its settings in them.
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(_registered, texts, stack).result()


def _registered(config: dict[str, str], stack: str) -> Program:
    program, answers = Program(), _Mocks()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    mocks.set_mocks(answers, project="trawler", stack=stack, monitor=_Monitor(answers, program))
    set_all_config(config)

    def start() -> None:
        runpy.run_path(str(ROOT / "infra" / "__main__.py"), run_name="__main__")

    # The engine starts the program in its own folder.
    with contextlib.chdir(ROOT / "infra"), contextlib.closing(loop):
        mocks.test(start)()
    return program
