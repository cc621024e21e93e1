"""Readers of data sets in their published layouts, the leave-one-out split, and the decoded picture table."""
