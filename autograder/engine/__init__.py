"""Running a submission: student code behind walls, tests on the trusted side."""
