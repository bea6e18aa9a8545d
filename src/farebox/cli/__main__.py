"""`python -m farebox.cli` is `farebox`."""

import sys

from farebox.cli.main import main

sys.exit(main())
