"""`python -m workflows.generate [--check]`."""

import sys

from workflows.generate.render import main

sys.exit(main(sys.argv[1:]))
