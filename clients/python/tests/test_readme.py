# SPDX-License-Identifier: Apache-2.0
"""The README shows the code of the example."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent.parent


def test_the_fifteen_lines_are_those_of_the_example() -> None:
    example = (HERE / "examples/echo_server.py").read_text()
    found = re.search(r"^async def serve\(.*?(?=\n\n\n)", example, re.MULTILINE | re.DOTALL)
    assert found is not None
    assert len(found[0].splitlines()) <= 15
    assert f"```python\n{found[0]}\n```" in (HERE / "README.md").read_text()
