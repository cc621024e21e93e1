"""The demo world: garments, persons and shoppers drawn by our own code, seeded."""
