"""Command jobs: queued, run as process groups, their files and what they log."""
