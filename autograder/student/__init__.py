"""Submit, validate and translate notebooks: what a student does."""
