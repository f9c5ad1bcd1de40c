"""What JUTAP instances are drawn from: physical parameters, and radio maps that others measured."""
