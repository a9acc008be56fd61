"""The provider's process: `python -m local.aws.provider ENGINE_ADDRESS`, started by the Pulumi engine.

Prints its port as the first line of standard output, serves until it is interrupted or its parent is gone.
"""

from __future__ import annotations

import importlib.metadata
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import grpc

from local.aws.provider.service import CHANNEL_OPTIONS, AwsProvider

_PARENT_POLL_S = 0.5


def main(arguments: list[str]) -> int:
    """Serves the provider; returns when the engine is gone."""
    # Nothing of the person's own AWS set-up may reach boto3 here: not a profile, not a key, not a config file.
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        if name not in ("AWS_REGION", "AWS_DEFAULT_REGION"):
            del os.environ[name]
    os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull
    os.environ["AWS_EC2_METADATA_DISABLED"] = "true"

    parent = os.getppid()
    server = grpc.server(ThreadPoolExecutor(32), options=CHANNEL_OPTIONS)
    provider = AwsProvider(importlib.metadata.version("pulumi_aws"), arguments[0] if arguments else "")
    provider.register(server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    try:
        # A killed engine leaves its plugins running for good; a changed parent says that it is gone.
        while os.getppid() == parent:
            time.sleep(_PARENT_POLL_S)
    except KeyboardInterrupt:
        pass
    server.stop(grace=None)
    # Threads may hang in a call to an emulator that no longer answers: nothing here is worth waiting for.
    os._exit(0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
