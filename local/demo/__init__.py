"""The demo: its verdict on what was crawled, its live progress and its report."""
