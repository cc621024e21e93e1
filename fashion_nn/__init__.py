"""The networks, losses, latent optimisation, data sets and metrics of Atelier in plain PyTorch: no Ray, no S3, no HTTP."""
