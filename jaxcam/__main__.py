"""`python -m jaxcam` is the command `jaxcam`."""

import sys

from jaxcam.cli import main

sys.exit(main())
