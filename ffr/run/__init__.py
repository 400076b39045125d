"""The run folder: what a run writes, how it is counted, and how it is summed up."""
