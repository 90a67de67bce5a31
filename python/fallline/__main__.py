"""Run the command line as `python -m fallline`."""

import sys

from fallline.cli import main

sys.exit(main())
