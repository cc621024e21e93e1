"""The demonstration: one run from drawn pictures to answers from a served release."""
