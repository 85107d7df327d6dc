"""`python -m hypertune` is the command `hypertune`."""

import sys

from hypertune.commands.cli import main

sys.exit(main())
