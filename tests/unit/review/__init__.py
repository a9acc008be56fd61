"""The review: fixtures are previews that the real engine made on a local stack, cut to a few resources."""
