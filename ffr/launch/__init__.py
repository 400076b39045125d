"""Starting a run elsewhere: job scripts for a machine, Ray, SLURM and SkyPilot."""
