"""The client and the deployer against a Marathon with real tasks."""
