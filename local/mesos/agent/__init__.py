"""One machine of the cluster: sandbox, fetcher, image, container."""
