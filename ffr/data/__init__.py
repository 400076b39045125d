"""Questions about videos, and the files they come from."""
