"""What authors of providers test theirs with. Needs pytest, anyio and jsonschema, which a running service does not."""

import pytest

pytest.register_assert_rewrite("photochanger.testing.provider_contract")

from .provider_contract import ContractContext, ProviderContract, sample_picture  # noqa: E402  (rewritten first)

__all__ = ["ContractContext", "ProviderContract", "sample_picture"]
