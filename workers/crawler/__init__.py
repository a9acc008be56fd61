"""The crawler: four workers (plan, fetch, parse, store) joined by queues, with the frontier table as the truth."""
