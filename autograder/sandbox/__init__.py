"""The untrusted side of grading: what confines a student's process, and what runs in it."""
