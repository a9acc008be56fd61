"""What an account needs before the first environment: where state is kept, and who may change what."""
