"""The loop, checkpoints, schedules, logging, reports and recipes."""
