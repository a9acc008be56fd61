"""The Pulumi program: everything that an environment of Trawler consists of."""
