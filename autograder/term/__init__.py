"""What an instructor decides during a term: extensions, sections, who is in the class, totals."""
