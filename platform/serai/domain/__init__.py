"""The words of Serai as plain values and pure functions: no I/O, no clock, nothing but the standard library."""
