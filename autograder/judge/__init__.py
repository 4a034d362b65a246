"""The trusted side of grading: it runs the tests, walled in, and asks the sandbox for values."""
