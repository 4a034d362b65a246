"""Find answers of an assignment that resemble each other, and show them side by side."""
