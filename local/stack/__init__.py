"""Everything that stands in for AWS, Mesos and the shops, started and ended as one."""
