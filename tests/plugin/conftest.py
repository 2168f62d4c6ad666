"""Let failed assertions of the published kit show their values."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("serai.plugin.testing")
