"""What an instructor reads after grading: the class in numbers, grade sheets, CSV files."""
