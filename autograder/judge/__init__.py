"""The trusted side: runs the tests in a sandbox of its own and asks the student's process."""
