"""``python -m towline``: the command line without an installed script."""

from __future__ import annotations

import sys

from towline.cli import main

sys.exit(main())
