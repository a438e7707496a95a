"""The run and its state, the loop, device and precision, signals."""
