"""Offline caching jobs: patches made once, before training, and read back by every run."""
