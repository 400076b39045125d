"""Evaluation: how often a checkpoint is right, plainly and with evidence."""
