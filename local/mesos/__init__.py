"""Marathon 1.11 and the Mesos agents under it, on one machine and on loopback only."""
