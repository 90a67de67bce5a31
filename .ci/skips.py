"""Which tests were skipped?  Prints them, and fails unless the committed list says the same.

A line of the list is `file: reason`; one that starts with `? ` depends on the machine and may be absent from a run.
"""

from __future__ import annotations

import ast
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path


def skipped(report: Path) -> Counter[str]:
    """Count the skips of a JUnit report by file and reason."""
    found: Counter[str] = Counter()
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        for skip in case.iter("skipped"):
            module = case.get("classname", "") or case.get("name", "")
            found[f"{module.replace('.', '/')}.py: {reason(skip)}"] += 1
    return found


def reason(skip: ElementTree.Element) -> str:
    """Return why; of a module that was skipped whole, pytest tells it in the text: ('path', line, 'Skipped: why')."""
    message = skip.get("message", "")
    if message != "collection skipped":
        return message
    return str(ast.literal_eval(skip.text or "('', 0, '')")[2]).removeprefix("Skipped: ")


def main() -> int:
    """Compare the report with the list."""
    report, listed = Path(sys.argv[1]), Path(sys.argv[2]).read_text(encoding="utf-8")
    lines = [line for line in listed.splitlines() if line and not line.startswith("#")]
    allowed = {line.removeprefix("? ") for line in lines}
    needed = {line for line in lines if not line.startswith("? ")}
    found = skipped(report)
    for line, count in sorted(found.items()):
        print(f"{count:4d}  {line}")
    for line in sorted(found.keys() - allowed):
        print(f"skipped but not listed: {line}")
    for line in sorted(needed - found.keys()):
        print(f"listed but not skipped: {line}")
    return int(bool(found.keys() - allowed or needed - found.keys()))


if __name__ == "__main__":
    sys.exit(main())
