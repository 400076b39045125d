"""The checks that need torch, in a process of their own that may be ended."""
