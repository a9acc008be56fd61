"""Stand-ins for one machine, each speaking only the public protocol of what it stands for."""
