"""The latent engine measured: throughput, quality for compute, latency under load, step cost, inversion, overhead."""
