"""The conditional least-squares GAN that paints items of a category (Kang et al., ICDM 2017)."""
