"""The lmms-eval plug-in: models ``ffr`` and ``ffr_elect``, found through its entry point."""
