"""A checkpoint of a run as a folder others can load."""
