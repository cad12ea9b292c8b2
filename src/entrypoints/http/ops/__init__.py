"""Health, metrics and the contract with its documentation page."""
