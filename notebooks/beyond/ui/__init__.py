"""Show things in a notebook: figures, tables, widgets, self-checks and the lesson clock."""
