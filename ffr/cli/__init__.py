"""The command lines ``ffr`` and ``ffr-train``."""
