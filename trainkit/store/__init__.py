"""What lies on the disk: checkpoints, run folders, environment."""
