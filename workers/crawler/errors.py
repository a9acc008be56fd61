"""Errors, by what the reader of them does.

CrawlerError
├── ConfigError           fix the environment or a shop's definition; the command exits 2
├── InvalidMessageError   the message can never be read: dead letter queue
└── FetchError            a request that gave no response
    ├── RefusedError      never try again (private address, malformed URL)
    └── UnreachableError  try again later (timeout, connection refused, broken response)
"""


class CrawlerError(Exception):
    """The root of every error raised on purpose."""


class ConfigError(CrawlerError):
    """The environment or a shop's definition is wrong; the text names the variable or file and key."""


class InvalidMessageError(CrawlerError):
    """A message body that no version of this worker understands."""


class FetchError(CrawlerError):
    """A request that gave no usable response; the text is fit to be a row's `reason`."""


class RefusedError(FetchError):
    """This URL must not, or can not ever, be requested."""


class UnreachableError(FetchError):
    """The host gave no complete answer this time."""
