"""Ray Serve deployments, the composed application and its HTTP face."""
