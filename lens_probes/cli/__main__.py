"""`python -m lens_probes.cli`."""

import sys

from lens_probes.cli import main

sys.exit(main())
