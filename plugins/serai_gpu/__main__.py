"""Run the plugin: `python -m serai_gpu`."""

from __future__ import annotations

import sys

from .main import main

sys.exit(main())
