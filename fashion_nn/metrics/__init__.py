"""What is measured of recommenders, generators and fittings."""
