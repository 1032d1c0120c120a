from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.trust.confined import Confined


@pytest.fixture(scope="session")
def confined() -> Iterator[Confined]:
    with Confined() as client:
        yield client
