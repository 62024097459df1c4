"""The command `penstock`: one module a command, and what they share named for what it does."""
