"""What is done by the clock: samples, retention, clean-up."""
