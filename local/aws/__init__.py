"""AWS on one machine: moto behind the AWS protocols, and the Pulumi `aws` provider that talks to it."""
