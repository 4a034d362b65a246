"""Grade what arrives in nbgrader's exchange as it arrives."""
