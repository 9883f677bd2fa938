"""`python -m lens_probes`: the command line."""

import sys

from lens_probes.cli import main

sys.exit(main())
