"""Marathon: its REST API, the app JSON it reads, and an app as a Pulumi resource."""
