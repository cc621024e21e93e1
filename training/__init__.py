"""Ray Train jobs, started by `python -m training.NAME`, and the publishing of releases."""
