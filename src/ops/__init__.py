"""What the tasks do, through the Azure ML SDK and nothing else."""
