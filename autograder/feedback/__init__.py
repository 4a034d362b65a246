"""Write what students get back: one HTML page per notebook, safe for every reader to open."""
