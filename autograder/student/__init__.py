"""What a student does: hand in, validate, switch the language of a notebook."""
