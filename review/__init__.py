"""What a change would do to an environment, told to the person who must say yes."""
