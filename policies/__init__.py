"""The policy pack (CrossGuard): what no environment may contain."""
