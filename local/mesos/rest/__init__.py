"""Marathon's HTTP interface."""
