"""Metrics beside accuracy: what each item gives, and what many add up to."""
