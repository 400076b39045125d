"""A run while it happens: its folder read again and again, shown in a terminal."""
