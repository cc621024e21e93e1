"""What callers notice of every fault: `python -m tests.chaos`."""
