"""What Mesos itself answers: the master's operator API, and each agent's state and sandboxes over HTTP."""
