"""Benchmarks: one file each, one table printed, one `build/bench/NAME.json` written. Nothing here passes or fails."""
