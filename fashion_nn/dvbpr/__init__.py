"""DVBPR: a recommender trained from pixels (Kang et al., ICDM 2017)."""
