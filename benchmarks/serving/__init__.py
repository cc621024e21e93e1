"""What the service costs around its networks, and what too much to do does to it: `python -m benchmarks.serving`."""
