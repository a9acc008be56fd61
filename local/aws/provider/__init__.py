"""The `aws` provider of the local stack: a Pulumi resource provider that answers for loopback endpoints only.

The engine starts `python -m local.aws.provider` itself, from the executable that `local.aws.plugin` installs.
`types.json` says what AWS's provider would decide (update, replace, default), `resources/` what is done about it.
"""
