"""Making what a student gets back: one page a notebook, harmless to whoever reads it."""
