"""The frontier table: one row for each URL of a crawl, and exact counts of them. Only this package touches it."""
