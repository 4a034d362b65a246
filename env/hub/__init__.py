"""Set up and start a JupyterHub for one class, on one Linux machine: `python3 env hub`."""
