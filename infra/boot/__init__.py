"""How a machine of the cluster starts: its user data, the programs of its own, and the recipe of its image."""
