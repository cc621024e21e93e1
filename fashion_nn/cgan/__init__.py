"""Conditional GANs that paint items of a category: that of Kang et al. (ICDM 2017), and R3GAN (NeurIPS 2024)."""
