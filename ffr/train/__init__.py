"""Training: the stages of a run and the adapter to verl."""
