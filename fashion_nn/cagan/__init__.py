"""CAGAN: swap a garment on a person (Jetchev & Bergmann, 2017)."""
