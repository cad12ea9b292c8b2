"""What authors of providers test theirs with. Needs pytest, anyio and jsonschema, which a running service does not."""

import pytest

for _module in ("provider_contract", "remote_contract", "cost_rules"):
    pytest.register_assert_rewrite(f"photochanger.testing.{_module}")

from .provider_contract import ContractContext, ProviderContract, sample_picture  # noqa: E402  (rewritten first)
from .remote_contract import RemoteProviderContract, ServiceControls  # noqa: E402

__all__ = ["ContractContext", "ProviderContract", "RemoteProviderContract", "ServiceControls", "sample_picture"]
