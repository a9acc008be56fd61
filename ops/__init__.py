"""The `trawler` command: what an operator does to a stack that runs, beyond `pulumi up`."""
