"""What an image is, how it is embedded and where vectors live; knows nobody else."""
