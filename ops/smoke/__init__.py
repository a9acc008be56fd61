"""`smoke`: the first proof that an environment works on a real account, and the last word on whether it does."""
