"""The networks, losses, latent optimisation, data sets and metrics of Atelier: no Ray, no S3, no HTTP."""
