"""What every test starts from."""

import pytest
from beyond import locale


@pytest.fixture(autouse=True)
def english():
    """Each test starts in English, and one that leaves another language behind has failed."""
    locale.set_language("en")
    yield
    left = locale.language()
    locale.set_language("en")
    assert left == "en", f"the language was left at {left}"
