"""``python -m fallline.playground``: the page without the command line's libraries."""

import argparse

from fallline.playground import run


def main() -> None:
    """Read the options and serve."""
    parser = argparse.ArgumentParser(
        prog="python -m fallline.playground", description="Serve the playground on loopback."
    )
    parser.add_argument("--port", type=int, default=0, help="0 takes a free port")
    parser.add_argument("--no-browser", action="store_true", help="do not open the page")
    options = parser.parse_args()
    run(options.port, browser=not options.no_browser)


if __name__ == "__main__":
    main()
