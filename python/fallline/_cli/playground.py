"""``fallline playground``: serve the page with the two labs, or write it to a file."""

from __future__ import annotations

import sys

from fallline._cli import places
from fallline._cli.report import reason
from fallline.data import InputError


def run(port: int, browser: bool, output: str | None, force: bool) -> int:
    """Serve until Ctrl-C; with `output`, write the page instead: it works from there, offline."""
    from fallline import playground

    if output is not None:
        page = playground.compose()
        place = places.for_predictions(output, force, [])
        if place is None:
            print(page)
            return 0
        print(
            f"the page is in {place.write(page.encode())}: open it in a browser, or put it on a site", file=sys.stderr
        )
        return 0
    try:
        playground.run(port, browser=browser)
    except OSError as error:
        raise InputError(f"port {port} cannot be served ({reason(error)}); name another with --port") from error
    return 0
