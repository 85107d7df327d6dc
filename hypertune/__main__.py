"""`python -m hypertune` is the command `hypertune`."""

import sys

from hypertune.cli import main

sys.exit(main())
