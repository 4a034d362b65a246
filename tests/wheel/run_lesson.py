"""Execute a notebook in the environment of the Python that runs this; print what went wrong.

    python run_lesson.py NOTEBOOK [CELL-ID]

The notebook runs in the working folder, up to the cell if one is named. The result is JSON: each
error's cell, name and value, and the versions and files that the kernel had.
"""

import json
import sys

import nbformat
from nbclient import NotebookClient

# Any attempt to reach the network fails at once, as it would for a learner on a train.
NO_NETWORK = """
import socket
def _refuse(self, address):
    if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in ("127.0.0.1", "::1"):
        raise OSError(f"a lesson tried to reach {address}")
    return _connect(self, address)
_connect = socket.socket.connect
socket.socket.connect = _refuse
"""
WHERE = "import beyond, autograder, torch; print(beyond.__file__, autograder.__file__, sep='\\n')"


def run(path, last=None):
    """Execute a notebook; return its errors and where the packages came from."""
    notebook = nbformat.read(path, as_version=4)
    if last is not None:
        ids = [cell.id for cell in notebook.cells]
        del notebook.cells[ids.index(last) + 1 :]
    notebook.cells.insert(0, nbformat.v4.new_code_cell(NO_NETWORK, id="no-network"))
    notebook.cells.append(nbformat.v4.new_code_cell(WHERE, id="where"))
    NotebookClient(notebook, timeout=1800, allow_errors=True, kernel_name="python3").execute()
    outputs = [
        (cell.id, output)
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
    ]
    errors = [
        {"cell": cell, "name": output.ename, "value": output.evalue}
        for cell, output in outputs
        if output.output_type == "error"
    ]
    said = [output.text for cell, output in outputs if cell == "where" and "text" in output]
    return {"errors": errors, "where": "".join(said).split()}


if __name__ == "__main__":
    print(json.dumps(run(*sys.argv[1:])))
