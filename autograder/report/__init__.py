"""Report a class's results: a page for the instructor, and CSV files for an LMS."""
