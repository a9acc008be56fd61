"""The scheduler: app definitions, instances, deployments. Knows agents by their interface only."""
